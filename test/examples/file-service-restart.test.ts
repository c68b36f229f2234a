import { beforeAll, describe, expect, it } from "vitest";
import { run } from "../support/processes.js";
import { buildExamples, exampleProgram } from "./built.js";

describe("the demonstration of the file service", () => {
  beforeAll(buildExamples);

  it("kills a real server in mid-call, and shows what each client sees", async () => {
    const { code, lines, stderr } = await run(process.execPath, [exampleProgram("file-service/main.js")]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const said = (who: string) =>
      lines.filter((line) => line.startsWith(`  ${who} `)).map((line) => line.slice(`  ${who} `.length).trim());
    expect(said("stateful")).toEqual([
      expect.stringContaining('OPEN("numbers.txt") -> a handle'),
      'READ(handle, 16) -> "one two three fo"',
      // It moves the position, so nobody repeats it, and nobody claims to know whether it ran.
      "READ(handle, 16) -> failed: unavailable, executed: unknown",
      // What the session held is gone with the server, and nothing is sent before the client says that it knows.
      "READ(handle, 16) -> failed: stale, executed: no",
      "READ(handle, 16) -> FILE_STALE",
      expect.stringContaining('OPEN("numbers.txt") -> a handle'),
      "SEEK(handle, 16, FROM_START) -> FILE_OK",
      'READ(handle, 16) -> "ur five six seve"',
      "CLOSE(handle) -> FILE_OK",
    ]);
    expect(said("stateless")).toEqual([
      'READ("numbers.txt", 0, 16) -> "one two three fo"',
      expect.stringMatching(/^READ\("numbers.txt", 16, 16\) -> "ur five six seve" {3}\(asked again/),
      'READ("numbers.txt", 32, 16) -> "n eight nine ten"',
    ]);
    const boots = said("server").flatMap((line) => /^boot (\w+) serves at (\S+)$/.exec(line)?.slice(1) ?? []);
    expect(boots).toHaveLength(4);
    expect(boots[0]).not.toBe(boots[2]);
    expect(boots[1]).toBe(boots[3]);
  });
});
