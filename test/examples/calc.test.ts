import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { Running, run } from "../support/processes.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const npm = ["run", "--silent"];

// The commands are npm's, whose name on Windows is another.
beforeAll(() => {
  // What the commands do themselves; here, so that none of the tests takes the time.
  const { status, stderr } = spawnSync(process.execPath, ["scripts/ensure.mjs", "examples"], {
    cwd: root,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
});

describe.skipIf(process.platform === "win32")("the calculator", () => {
  it.each([
    ["npm is told to end", (npm: Running) => process.kill(npm.pid, "SIGTERM")],
    ["npm is killed", (npm: Running) => process.kill(npm.pid, "SIGKILL")],
    // A terminal sends it to every process of the command.
    ["Ctrl-C is pressed", (npm: Running) => process.kill(-npm.pid, "SIGINT")],
  ])("serves TCP and UDP on one port, and is gone when %s", async (_what, end) => {
    const options = { cwd: root, detached: true };
    await using server = new Running("npm", [...npm, "example:calc", "--", "--port", "0"], options);
    const [, port] = await server.line(/^tcp:\/\/127\.0\.0\.1:(\d+)$/);
    await server.line(new RegExp(`^udp://127\\.0\\.0\\.1:${port}$`));
    const client = await run("npm", [...npm, "example:calc:client", "--", `tcp://127.0.0.1:${port}`], { cwd: root });
    expect(client.lines.slice(0, 4)).toEqual([
      "1 + 2 = 3",
      "7 / 2 = 3 remainder 1",
      "7 / 0 : refused",
      "doubled: 2 4 6",
    ]);
    expect(client.lines[4]).toMatch(/^failed: server-error, executed: yes /);
    expect(client.lines[5]).toMatch(/^failed: invalid-argument, executed: no .* a: expected an integer/);
    // Resolves when its last descendant has closed stdout, which is the server's end.
    end(server);
    await server.ended;
  });

  it("says in one line why it cannot serve", async () => {
    await using server = new Running("npm", [...npm, "example:calc", "--", "--port", "0"], { cwd: root });
    const [, port = ""] = await server.line(/^tcp:\/\/127\.0\.0\.1:(\d+)$/);
    const second = await run("npm", [...npm, "example:calc", "--", "--port", port], { cwd: root });
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/cannot listen on .*EADDRINUSE/);
    expect(second.stderr).not.toContain("    at ");
  });
});

describe.skipIf(process.platform === "win32")("the examples", () => {
  it.each([
    ["calc/server.js", ["--nope"], "Unknown option '--nope'"],
    ["calc/server.js", ["--port"], "Option '--port <value>' argument missing"],
    ["vxi11/server.js", ["--nope"], "Unknown option '--nope'"],
    ["vxi11/server.js", ["--port", "x"], "--port is a number up to 65535, not x"],
    ["nfs-server/main.js", ["--nope"], "Unknown option '--nope'"],
  ])("say what is wrong with an option, and how they are used: %s %j", async (script, args, problem) => {
    const { code, stderr } = await run(process.execPath, [`.build/examples/${script}`, ...args], { cwd: root });
    expect(code).toBe(2);
    expect(stderr).toContain(problem);
    expect(stderr).toMatch(/^usage: /m);
    expect(stderr).not.toContain("    at ");
  });
});

describe.skipIf(process.platform === "win32")("the demo", () => {
  it("ends with what a caller is told whose server was killed in mid-call", async () => {
    const { code, stdout } = await run("npm", [...npm, "demo"], { cwd: root });
    expect(code).toBe(0);
    for (const transport of ["tcp", "udp", "unix"]) {
      expect(stdout).toMatch(new RegExp(`^${transport} +add\\(\\{ a: 1, b: 2 \\}\\) = 3 in `, "m"));
    }
    expect(stdout).toMatch(/The call ended at once:\n {2}code {6}unavailable\n {2}executed {2}unknown\n/);
    expect(stdout).toMatch(/The next call, with nobody there:\n {2}code {6}unavailable\n {2}executed {2}no\n/);
    const widest = Math.max(...stdout.split("\n").map((line) => line.length));
    expect(widest).toBeLessThanOrEqual(110);
  });
});
