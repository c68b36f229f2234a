import { expect, it } from "vitest";
import { describeWith } from "../support/requirements.js";
import { disagreements } from "./xml-rpc-differential.js";

const seed = (Math.random() * 2 ** 32) >>> 0;

describeWith(["python3", "gcc", "xmlrpc-c", "libtirpc"], "200,000 damaged documents", () => {
  it.each(["python", "xmlrpc-c"] as const)(
    `are to %s what the table says (seed ${seed})`,
    { timeout: 1_800_000 },
    async (peer) => {
      const found = await disagreements(peer, 200_000, seed);
      expect(found.filter((one) => one.case === undefined)).toEqual([]);
    },
  );
});
