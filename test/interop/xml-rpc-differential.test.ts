import { describe, expect, it } from "vitest";
import { describeWith } from "../support/requirements.js";
import { cases } from "../support/xml-rpc-cases.js";
import type { DecoderName } from "../support/xml-rpc-decoders.js";
import { disagreements, explanations } from "./xml-rpc-differential.js";

describe("the explanations of disagreements", () => {
  it("name cases of the table in which that peer differs", () => {
    const names = new Map(cases.map((one) => [one.name, one]));
    for (const { case: name, peer } of explanations) {
      const one = names.get(name);
      expect(one?.[peer], `${name}, ${peer}`).not.toBe(one?.compat.replace(/^refused, .*/s, "refused"));
    }
  });
});

describeWith(["python3"], "Python's xmlrpc", () => differs("python"));
describeWith(["gcc", "xmlrpc-c", "libtirpc"], "xmlrpc-c", () => differs("xmlrpc-c"));

function differs(peer: DecoderName): void {
  // The same documents every time: what others say of new ones is what the long test asks.
  it.each([20_260_728, 20_260_729])("differs about damaged documents as the table says (seed %i)", async (seed) => {
    const found = await disagreements(peer, 2_000, seed);
    expect(found.length).toBeGreaterThan(0);
    expect(found.filter((one) => one.case === undefined)).toEqual([]);
  });
}
