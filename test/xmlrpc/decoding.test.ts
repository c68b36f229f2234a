import { readFileSync } from "node:fs";
import { CallDecoder, ResponseDecoder } from "farcall/xmlrpc";
import { describe, expect, it } from "vitest";
import { page } from "../../scripts/xml-rpc-decoding-page.mjs";
import { describeWith } from "../support/requirements.js";
import { answerOf, cases, type DecodingCase, inputOf, otherAnswerOf } from "../support/xml-rpc-cases.js";
import { type DecoderName, decodeWith } from "../support/xml-rpc-decoders.js";
import { decodeHere, verdictOf } from "../support/xml-rpc-show.js";

const optionsOf = (one: DecodingCase, profile: "strict" | "compat") => ({
  ...one.options,
  profile,
  charset: one.charset,
});

describe.each(["strict", "compat"] as const)("the table of decoding cases, %s", (profile) => {
  it.each(cases)("$group: $name", (one) => {
    expect(answerOf(decodeHere(inputOf(one), optionsOf(one, profile)))).toBe(one[profile]);
  });

  it.each(cases.filter(({ group }) => group !== "Size"))("byte by byte: $group: $name", (one) => {
    expect(byteByByte(one, profile)).toBe(withoutPlace(one[profile]));
  });
});

/** The same answer when each byte comes by itself. Where in the text a mistake is found may differ. */
function byteByByte(one: DecodingCase, profile: "strict" | "compat"): string {
  const { kind, bytes } = inputOf(one);
  const options = optionsOf(one, profile);
  const verdict = verdictOf(() => {
    const decoder = kind === "call" ? new CallDecoder(options) : new ResponseDecoder(options);
    for (const byte of bytes) decoder.push(Uint8Array.of(byte));
    return decoder.end();
  });
  return withoutPlace(answerOf(verdict));
}

function withoutPlace(answer: string): string {
  return answer.replace(/ \(at character \d+\)$/, "");
}

describe("the table", () => {
  it("has at least a hundred cases of each kind together, each with a name of its own", () => {
    expect(cases.length).toBeGreaterThan(100);
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
    for (const kind of ["legal", "doubtful", "hostile"]) expect(cases.some((one) => one.kind === kind)).toBe(true);
  });

  it("reads what is legal in both profiles alike", () => {
    for (const { kind, name, strict, compat } of cases) {
      if (kind === "legal") expect(`${name}: ${strict}`).toBe(`${name}: ${compat}`);
    }
  });

  it("says why wherever a peer differs", () => {
    const differs = ({ compat, python, "xmlrpc-c": xmlRpcC }: DecodingCase): boolean =>
      [python, xmlRpcC].some((answer) => answer !== undefined && answer !== compat.replace(/^refused, .*/s, "refused"));
    expect(cases.filter((one) => differs(one) && one.why === undefined).map(({ name }) => name)).toEqual([]);
  });

  it("is what the documentation shows", () => {
    expect(readFileSync(new URL("../../docs/xml-rpc-decoding.md", import.meta.url), "utf8")).toBe(page(cases));
  });
});

describeWith(["python3"], "Python's xmlrpc", () => answersAs("python"));
describeWith(["gcc", "xmlrpc-c", "libtirpc"], "xmlrpc-c", () => answersAs("xmlrpc-c"));

function answersAs(name: DecoderName): void {
  it("answers as the table says", async () => {
    const asked = cases.filter((one) => one[name] !== undefined);
    const verdicts = await decodeWith(name, asked.map(inputOf));
    const said = asked.map((one, i) => `${one.name}: ${otherAnswerOf(verdicts[i] ?? { refused: "nothing" })}`);
    expect(said).toEqual(asked.map((one) => `${one.name}: ${one[name]}`));
  });
}
