import { expect, it } from "vitest";

// scripts/runtimes.mjs names the runtime that it starts; tests that in truth ran on another would prove nothing.
const wanted = process.env["FARCALL_RUNTIME"];

it.runIf(wanted !== undefined)(`runs on ${wanted}`, () => {
  const [name = "", version = ""] = wanted?.split(" ") ?? [];
  expect(process.versions[name]?.split(".")[0]).toBe(version);
});
