import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { buildCli, farcall } from "../support/cli.js";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

describe("farcall", () => {
  beforeAll(buildCli);

  it("lists its commands with --help", async () => {
    const { code, stdout, stderr } = await farcall(["--help"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^ {2}gen +compile \.x files to TypeScript$/m);
    expect(stdout).toMatch(/^ {2}call +call a procedure/m);
  });

  it("says what there is when it is told nothing", async () => {
    const { code, stdout, stderr } = await farcall([]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("Usage: farcall COMMAND");
  });

  it.each([
    ["gen", ["--out-dir", "-I", "-D", "--names", "--strings", "--check", "--watch", "--from", "--name", "--user"]],
    ["call", ["--program", "--version", "--timeout", "--connect-timeout", "--auth", "--uid", "--gid", "--verbose"]],
    ["call", ["--user", "--header", "--profile", "--preset", "--nil", "--dates", "--ca"]],
    ["list", ["--user", "--header", "--profile", "--preset", "--timeout", "--connect-timeout", "--ca", "--json"]],
    ["list", ["--binder"]],
    ["call", ["--binder"]],
    ["describe", ["--binder", "--version", "--text", "--json", "--timeout"]],
    ["watch", ["--binder", "--json", "--timeout"]],
    ["info", ["-p", "-s", "-m", "-l", "-t", "-u", "-T", "-a", "-n", "-b", "-d", "--timeout", "--json"]],
    [
      "bind",
      [
        "--host",
        "--port",
        "--socket",
        "--no-socket",
        "--state",
        "--names",
        "--remote-calls",
        "--refuse",
        "--probe-interval",
        "--foreground",
      ],
    ],
    ["trace", ["--listen", "--to", "--full", "--bytes", "--json", "-I", "-D", "--names", "--strings"]],
  ])("%s --help names every option, the exit codes and examples", async (command, options) => {
    for (const args of [
      [command, "--help"],
      ["help", command],
    ]) {
      const { code, stdout, stderr } = await farcall(args);
      expect([code, stderr]).toEqual([0, ""]);
      for (const option of options) expect(stdout).toContain(option);
      expect(stdout).toMatch(/^Exit code:/m);
      expect(stdout).toMatch(new RegExp(`^Examples:\n {2}farcall ${command} `, "m"));
    }
  });

  it("prints its version", async () => {
    expect(await farcall(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  it("names the command that was probably meant", async () => {
    const { code, stdout, stderr } = await farcall(["gne", "calc.x"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/unknown command 'gne'\n\(Did you mean gen\?\)/);
  });
});
