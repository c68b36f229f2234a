import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { XmlRpcClientOptions } from "../../xmlrpc/index.js";
import { CliError } from "../exit.js";

/** The options that say how an XML-RPC server is asked, alike for every command that asks one. */
export interface HttpFlags {
  readonly user?: string | undefined;
  readonly header: Readonly<Record<string, string>>;
  readonly profile?: "compat" | "strict" | undefined;
  readonly preset?: XmlRpcClientOptions["preset"];
  readonly nil?: XmlRpcClientOptions["nil"];
  readonly dates?: XmlRpcClientOptions["dates"];
  readonly ca?: string | undefined;
  readonly timeout?: number | undefined;
  readonly connectTimeout?: number | undefined;
}

const group = "XML-RPC (http:, https:, http+unix:, scgi:, scgi+unix:):";

/** @param values whether values go and come, or only what servers say of their methods */
export function addHttpOptions(command: Command, values: boolean): void {
  const add = (option: Option): Command => command.addOption(option.helpGroup(group));
  add(new Option("--user <name[:password]>", "who calls, by Basic authentication; password: or in FARCALL_PASSWORD"));
  add(
    new Option("--header <name: value>", "a header of the requests; may be repeated")
      .argParser(addHeader)
      .default({}, "none"),
  );
  add(new Option("--profile <name>", "how answers are read").choices(["compat", "strict"]));
  add(
    new Option("--preset <name>", "what a kind of server wants").choices([
      "odoo",
      "rtorrent",
      "homematic",
      "ros1",
      "supervisord",
    ]),
  );
  if (!values) return;
  add(new Option("--nil <element>", "send null as this element (default: refuse it)").choices(["nil", "ex:nil"]));
  add(
    new Option("--dates <meaning>", "what a time without a zone means (default: naive)").choices([
      "naive",
      "utc",
      "utc-z",
      "local",
      "text",
    ]),
  );
}

function addHeader(text: string, headers: Readonly<Record<string, string>>): Record<string, string> {
  const [, name, value] = /^([^:\s]+):\s*(.*?)\s*$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError('Write "NAME: VALUE".');
  return { ...headers, [name]: value };
}

/** What a client is made with. */
export function httpOptions(flags: HttpFlags): XmlRpcClientOptions {
  const { profile, preset, nil, timeout, header, ca } = flags;
  return {
    profile,
    preset,
    nil,
    // As it came: a time without a zone is shown without one.
    dates: flags.dates ?? "naive",
    headers: header,
    auth: authOf(flags.user),
    tls: ca === undefined ? undefined : { ca: readFileSync(ca) },
    timeoutMs: timeout,
    connectTimeoutMs: flags.connectTimeout ?? Math.min(timeout ?? 5_000, 5_000),
    // Whoever sits before it can try again, and wants to know now.
    retry: false,
    // The servers that people explore are often small ones, which serve one connection at a time.
    exchangesMax: 1,
  };
}

function authOf(text: string | undefined): XmlRpcClientOptions["auth"] {
  if (text === undefined) return undefined;
  const colon = text.indexOf(":");
  if (colon >= 0) return { user: text.slice(0, colon), password: text.slice(colon + 1) };
  const password = process.env["FARCALL_PASSWORD"];
  if (password === undefined)
    throw new CliError(`--user ${text} needs a password: --user ${text}:PASSWORD, or FARCALL_PASSWORD`);
  return { user: text, password };
}
