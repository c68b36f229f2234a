import { AuthFlavor, type Refusal, type Target } from "../../onc/message.js";
import { authStatName } from "../../onc/status.js";
import { toJson } from "../../xdr/index.js";
import { harmless } from "../harmless.js";
import type {
  CallEvent,
  Credential,
  Direction,
  MalformedEvent,
  ReplyEvent,
  SessionPlace,
  Shown,
  TargetNames,
  TraceEvent,
} from "./events.js";
import { preview } from "./preview.js";

// Events as text and as JSON, a line each. What peers say is text of strangers: control characters are escaped.

export interface PrintOptions {
  /** Whole values, however long. */
  readonly full: boolean;
  /** The bytes of each message too. */
  readonly bytes: boolean;
}

/** What happened to a connection, beside its messages. */
export interface ConnectionEvent {
  readonly kind: "opened" | "closed" | "failed";
  readonly at: number;
  /** Who connected, how it ended, or why it could not be passed on. */
  readonly text: string;
}

/** Shows what happened on connection number `connection`; ends with a newline. */
export type Printer = (connection: number, event: TraceEvent | ConnectionEvent) => string;

export function textPrinter(options: PrintOptions): Printer {
  return (connection, event) => {
    const head = `${clock(event.at)} #${connection} `;
    switch (event.kind) {
      case "call":
        return line(`${head}${callText(event, options)}`, event, options);
      case "reply":
        return line(`${head}${replyText(event, options)}`, event, options);
      case "malformed":
        return line(`${head}${malformedText(event)}`, event, options);
      case "stopped":
        return line(`${head}${arrows[event.direction]} not decoded any more: ${event.problem}; bytes still pass`);
      default:
        return line(`${head}${connectionText(event)}`);
    }
  };
}

function connectionText({ kind, text }: ConnectionEvent): string {
  if (text === "") return kind;
  return kind === "closed" ? `closed: ${text}` : `${kind} ${text}`;
}

const arrows: Readonly<Record<Direction, string>> = { "to-server": "→", "to-client": "←" };

function callText(
  { direction, xid, target, names, session, credential, args, size, problem, again }: CallEvent,
  options: PrintOptions,
): string {
  const given = args === undefined ? bytesText(size) : args.map((shown) => valueText(shown, options)).join(", ");
  const parts = [`${arrows[direction]} ${targetText(target, names)}(${given})`, xidText(xid), ...placeText(session)];
  const who = credentialText(credential);
  if (who !== "") parts.push(who);
  if (again) parts.push("again");
  if (problem !== undefined) parts.push(`malformed arguments: ${problem}`);
  return parts.join(" ");
}

function replyText(
  { direction, xid, call, elapsedMs, refusal, result, size, problem }: ReplyEvent,
  options: PrintOptions,
): string {
  const target =
    call === undefined
      ? "reply to a call not seen"
      : call.target === undefined
        ? "reply to a malformed call"
        : targetText(call.target, call.names);
  const parts = [`${arrows[direction]} ${target}`];
  if (refusal !== undefined) parts.push(refusalText(refusal));
  else parts.push("=", result === undefined ? bytesText(size) : valueText(result, options));
  parts.push(xidText(xid), ...placeText(call?.session));
  if (elapsedMs !== undefined) parts.push(`${elapsedMs.toFixed(3)} ms`);
  if (problem !== undefined) parts.push(`malformed result: ${problem}`);
  return parts.join(" ");
}

function malformedText({ direction, xid, bytes, problem }: MalformedEvent): string {
  const id = xid === undefined ? "" : ` ${xidText(xid)}`;
  return `${arrows[direction]} malformed message of ${bytes.length} bytes${id}: ${problem}`;
}

function targetText({ program, version, procedure }: Target, names: TargetNames): string {
  return `${names.program ?? program}/${version}.${names.procedure ?? procedure}`;
}

function valueText({ shape, value }: Shown, { full }: PrintOptions): string {
  if (shape.kind === "void") return "void";
  return full ? toJson(shape, value) : preview(shape, value);
}

const bytesText = (size: number): string => `${size} ${size === 1 ? "byte" : "bytes"}`;
const placeText = (place: SessionPlace | undefined): string[] =>
  place === undefined ? [] : [`session=${place.lane}.${place.sequence}`];
const xidText = (xid: number): string => `xid=${xid.toString(16).padStart(8, "0")}`;

function refusalText(refusal: Refusal): string {
  switch (refusal.stat) {
    case "AUTH_ERROR":
      return `denied AUTH_ERROR ${authStatName(refusal.why)}`;
    case "RPC_MISMATCH":
      return `denied RPC_MISMATCH ${refusal.low} to ${refusal.high}`;
    case "PROG_MISMATCH":
      return `accepted PROG_MISMATCH ${refusal.low} to ${refusal.high}`;
    default:
      return `accepted ${refusal.stat}`;
  }
}

const flavorNames = new Map<number, string>(Object.entries(AuthFlavor).map(([name, number]) => [number, name]));
const flavorName = (flavor: number): string => flavorNames.get(flavor) ?? `auth_flavor ${flavor}`;

/** Empty for AUTH_NONE, which says nothing. */
function credentialText({ flavor, sys }: Credential): string {
  if (flavor === AuthFlavor.AUTH_NONE) return "";
  if (flavor !== AuthFlavor.AUTH_SYS) return flavorName(flavor);
  if (sys === undefined) return "AUTH_SYS(malformed)";
  const groups = sys.gids.length === 0 ? "" : ` gids=${sys.gids.join(",")}`;
  return `AUTH_SYS(uid=${sys.uid} gid=${sys.gid}${groups} machine=${JSON.stringify(sys.machinename)})`;
}

/** The time of day here, as `12:00:01.234`. */
function clock(at: number): string {
  const time = new Date(at);
  const two = (value: number): string => String(value).padStart(2, "0");
  const seconds = `${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, "0")}`;
  return `${two(time.getHours())}:${two(time.getMinutes())}:${seconds}`;
}

function line(text: string, message?: { readonly bytes: Uint8Array }, options?: PrintOptions): string {
  const dump = message !== undefined && options?.bytes === true ? hexDump(message.bytes, options.full) : "";
  return `${harmless(text)}\n${dump}`;
}

/** Bytes of a message that `--bytes` shows, unless it is to show all. */
const dumpBytesMax = 512;

function hexDump(bytes: Uint8Array, full: boolean): string {
  const shown = full ? bytes : bytes.subarray(0, dumpBytesMax);
  const rows: string[] = [];
  for (let at = 0; at < shown.length; at += 16) {
    const row = [...shown.subarray(at, at + 16)];
    // Four groups of four: XDR's unit.
    const hex = row.map((byte, i) => `${i % 4 === 0 ? " " : ""}${byte.toString(16).padStart(2, "0")}`).join("");
    const letters = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    rows.push(`  ${at.toString(16).padStart(6, "0")} ${hex.padEnd(36)}  ${letters}\n`);
  }
  if (shown.length < bytes.length) rows.push(`  … ${bytesText(bytes.length - shown.length)} more\n`);
  return rows.join("");
}

/** Most bytes of arguments or a result that are printed as JSON, unless all is to be: half a value is no JSON. */
const jsonBytesMax = 65_536;

/** One object a line. */
export function jsonPrinter(options: PrintOptions): Printer {
  return (connection, event) => {
    const fields: [string, string][] = [
      ["time", JSON.stringify(new Date(event.at).toISOString())],
      ["connection", String(connection)],
      ["event", JSON.stringify(event.kind)],
    ];
    const add = (name: string, value: unknown): void => {
      if (value !== undefined) fields.push([name, JSON.stringify(value)]);
    };
    const addTarget = (target: Target | undefined, names: TargetNames): void => {
      if (target === undefined) return;
      const { program, version, procedure } = target;
      add("target", { program, version, procedure, programName: names.program, procedureName: names.procedure });
    };
    const addValue = (name: string, size: number, json: (() => string) | undefined): void => {
      if (json === undefined) return;
      if (options.full || size <= jsonBytesMax) fields.push([name, json()]);
      else add("omitted", true);
    };
    if ("text" in event) {
      if (event.text !== "") add("text", event.text);
    } else {
      add("direction", event.direction);
      if (event.kind !== "stopped") add("xid", event.xid);
    }
    if (event.kind === "call") {
      addTarget(event.target, event.names);
      add("session", event.session);
      add("credential", { flavor: flavorName(event.credential.flavor), ...event.credential.sys });
      add("bytesOfArguments", event.size);
      if (event.again) add("again", true);
      const { args } = event;
      addValue(
        "args",
        event.size,
        args && (() => `[${args.map(({ shape, value }) => toJson(shape, value)).join(",")}]`),
      );
    } else if (event.kind === "reply") {
      const { call, refusal, result } = event;
      if (call !== undefined) addTarget(call.target, call.names);
      add("session", call?.session);
      // Microseconds are what the clock tells.
      if (event.elapsedMs !== undefined) add("elapsedMs", Math.round(event.elapsedMs * 1_000) / 1_000);
      add("status", refusal?.stat === "AUTH_ERROR" || refusal?.stat === "RPC_MISMATCH" ? "denied" : "accepted");
      add("stat", refusal?.stat ?? "SUCCESS");
      if (refusal !== undefined && "low" in refusal) add("versions", { low: refusal.low, high: refusal.high });
      if (refusal?.stat === "AUTH_ERROR") add("why", authStatName(refusal.why));
      add("bytesOfResult", refusal === undefined ? event.size : undefined);
      addValue("result", event.size, result && (() => toJson(result.shape, result.value)));
    }
    if ("problem" in event) add("problem", event.problem);
    if ("bytes" in event && options.bytes) add("bytes", Buffer.from(event.bytes).toString("hex"));
    return `${harmless(`{${fields.map(([name, value]) => `"${name}":${value}`).join(",")}}`)}\n`;
  };
}
