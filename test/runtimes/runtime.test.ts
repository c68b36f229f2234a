import { expect, it } from "vitest";

// scripts/runtimes.mjs names the runtime that it starts; tests that in truth ran on another would prove nothing.
it("the tests run on the runtime that was asked for", () => {
  const wanted = process.env["FARCALL_RUNTIME"] ?? `node ${process.versions.node.split(".")[0]}`;
  const [name = "", version = ""] = wanted.split(" ");
  expect(process.versions[name]?.split(".")[0]).toBe(version);
});
