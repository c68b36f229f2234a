import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Running, run } from "../support/processes.js";
import { describeWith } from "../support/requirements.js";
import { buildExamples, exampleProgram } from "./built.js";

const home = mkdtempSync(join(tmpdir(), "farcall-example-callbacks-"));
beforeAll(() => buildExamples(), 120_000);
afterAll(() => rmSync(home, { recursive: true, force: true }));

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

describeWith(["peer-credentials"], "the digests", () => {
  it("come with a report of each file, and stop when the caller has had enough", async () => {
    mkdirSync(join(home, "files/deep"), { recursive: true });
    for (const name of ["a", "b", "deep/c"]) writeFileSync(join(home, "files", name), `file ${name}`);
    const unix = join(home, "socket");
    await using server = new Running(process.execPath, [exampleProgram("callbacks/server.js"), "--unix", unix]);
    await server.line(/^unix:/);
    const client = (...args: string[]) =>
      run(process.execPath, [exampleProgram("callbacks/client.js"), `unix:${unix}`, ...args]);
    const all = await client(join(home, "files"));
    expect(all.lines).toEqual([
      "1 of 3: a",
      "2 of 3: b",
      "3 of 3: deep/c",
      ...["a", "b", "deep/c"].map((name) => `${sha256(`file ${name}`)}  ${name}`),
    ]);
    expect(all.code).toBe(0);
    await server.line(new RegExp(`^digests of .*/files for process \\d+ of user ${process.geteuid?.()}$`));
    const some = await client(join(home, "files"), "--enough", "2");
    expect(some.lines.slice(0, 3)).toEqual(["1 of 3: a", "2 of 3: b", `${sha256("file a")}  a`]);
    const wrong = await client("--enough");
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("usage: callbacks:client ADDRESS")]);
  });
});
