// The tables of docs/xml-rpc.md that say what a failure means are what a client says.
import { readFileSync } from "node:fs";
import { faultOutcome, XmlRpcClient } from "farcall/xmlrpc";
import { expect, it } from "vitest";
import { failureOf } from "../support/failure.js";
import { ScriptedHttp } from "../support/scripted-http.js";

const page = readFileSync(new URL("../../docs/xml-rpc.md", import.meta.url), "utf8");

/** The rows of the table below a heading, cell by cell. */
function rows(heading: string): string[][] {
  const [, text = ""] = page.split(new RegExp(`^## ${heading}$`, "m"));
  const [section = ""] = text.split(/^##? /m);
  return [...section.matchAll(/^\| (.*) \|$/gm)].map(([, row = ""]) => row.split(" | ")).slice(2);
}

const words = (cell = ""): string[] => [...cell.matchAll(/`([\w-]+)`/g)].map(([, word = ""]) => word);

const statuses = rows("What a failure says").flatMap(([what = "", code, executed]) =>
  what.startsWith("HTTP ")
    ? [...what.matchAll(/\d{3}/g)].map(([status]) => [Number(status), words(code)[0], words(executed)[0]] as const)
    : [],
);

it("names the statuses", () => {
  expect(statuses.length).toBeGreaterThan(25);
});

it.each(statuses)("HTTP %i is %s, executed %s", async (status, code, executed) => {
  const headers = { "Content-Type": "text/html", Location: "/elsewhere" };
  await using server = await ScriptedHttp.start({ status, headers, body: "<h1>words</h1>" });
  await using client = new XmlRpcClient(server.url, { retry: false });
  expect(await failureOf(client.execute("x"))).toMatchObject({ code, executed, status: { number: status } });
});

const faults = rows("Faults").flatMap(([numbers = "", code, executed]) => {
  const codes = words(code);
  return [...numbers.matchAll(/-\d+/g)].map(
    ([number], i) => [Number(number), codes[i] ?? codes[0], words(executed)[0]] as const,
  );
});

it("names the faults", () => {
  expect(faults.length).toBeGreaterThan(12);
});

it.each(faults)("fault %i is %s, executed %s", (number, code, executed) => {
  expect(faultOutcome({ code: number, string: "" })).toMatchObject({ code, executed });
});
