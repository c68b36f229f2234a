import { fileURLToPath } from "node:url";
import { type Procedure, Server } from "farcall";
import { loadInterface } from "farcall/idl";
import { type OncService, oncProgram } from "farcall/onc";
import * as xdr from "farcall/xdr";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Authority } from "../support/certificates.js";
import { buildCli, farcall, startFarcall } from "../support/cli.js";
import { describeWith } from "../support/requirements.js";

const probe = fileURLToPath(new URL("fixtures/probe.x", import.meta.url));

interface Node {
  value: number;
  next: Node | null;
}

function listOf(count: number): Node | null {
  let list: Node | null = null;
  for (let value = count - 1; value >= 0; value--) list = { value, next: list };
  return list;
}

/** A list as JSON, which `JSON.stringify` cannot write at this depth. */
function listJson(count: number): string {
  const nodes = Array.from({ length: count }, (_, value) => `{"value":${value},"next":`);
  return `${nodes.join("")}null${"}".repeat(count)}`;
}

/** Version 1 of the fixture's program with what it says and, for ODD_REPLY, something that it does not. */
function probeV1(): OncService<Record<string, Procedure<readonly unknown[], unknown>>> {
  const [v1] = loadInterface(probe).services;
  if (v1 === undefined) throw new Error("the fixture has no program");
  const procedures = { ...v1.procedures, oddReply: { ...v1.procedures["oddReply"], result: xdr.nothing } };
  return oncProgram({ ...v1, procedures } as never);
}

describeWith(["openssl"], "farcall call with TLS", () => {
  it("trusts what --ca says, over tls: and over tcp:, and goes nowhere without", async () => {
    buildCli();
    const authority = new Authority();
    const { cert, key } = authority.issue("server", "IP:127.0.0.1");
    await using server = new Server({ tls: { cert, key, policy: "required" } });
    const [, v2] = loadInterface(probe).services;
    server.export(v2 as NonNullable<typeof v2>, { rest: () => {}, newer: () => 1 });
    for (const scheme of ["tcp", "tls"]) {
      const address = await server.listen(`${scheme}://127.0.0.1:0`);
      const rest = ["call", address, probe, "rest", "--version", "2"];
      expect(await farcall([...rest, "--ca", authority.ca.certFile])).toEqual({
        code: 0,
        stdout: "null\n",
        stderr: "",
      });
      expect(await farcall([...rest, "--tls"])).toMatchObject({ code: 3, stdout: "" });
    }
  });
});

describe("farcall call", () => {
  const server = new Server({ onError: () => {} });
  let tcp = "";
  let udp = "";
  let onHang = (): void => {};
  const call = (...args: string[]) => farcall(["call", tcp, probe, ...args]);

  beforeAll(async () => {
    buildCli();
    server.export(probeV1(), {
      echo: (value: unknown) => value,
      count: (count: unknown) => listOf(count as number),
      length(list: unknown) {
        let length = 0;
        for (let node = list as Node | null; node !== null; node = node.next) length++;
        return length;
      },
      join: (text: unknown, count: unknown) => (text as string).repeat(count as number),
      rest: () => {},
      hang: () => {
        onHang();
        return new Promise(() => {});
      },
      fail: () => {
        throw new Error("a secret of the server");
      },
      oddReply: () => {},
      who: (context: unknown) => (context as { caller: { identity: { uid?: number } } }).caller.identity.uid ?? 0,
    } as never);
    tcp = await server.listen("tcp://127.0.0.1:0");
    udp = await server.listen("udp://127.0.0.1:0");
  });
  afterAll(() => server.close({ drainMs: 0 }));

  describe("prints the result as JSON, alone on stdout", () => {
    const value = {
      h: "-9223372036854775808",
      u: "18446744073709551615",
      fixed: "AQID",
      data: "/+8=",
      c: "BLUE",
      b: true,
      f: 1.5,
      d: "-Infinity",
      q: "0x3fff0000000000000000000000000000",
      s: 'quoted "é"',
      maybe: null,
      colors: ["RED", "GREEN"],
      ch: { kind: "BLUE", big: "5" },
      n: { which: "default", $kind: 7 },
    };

    it("with 64 bits as a decimal string, opaque as base64 and enums by name", async () => {
      expect(await call("ECHO", JSON.stringify(value))).toEqual({
        code: 0,
        stdout: `${JSON.stringify(value)}\n`,
        stderr: "",
      });
    });

    it.each([
      ["a 64-bit number that JSON carries exactly", { h: 5 }, { h: "5" }],
      ["an enum's number", { c: -5 }, { c: "BLUE" }],
      ["a number for a quadruple", { q: 1 }, { q: "0x3fff0000000000000000000000000000" }],
      ["the optional value", { maybe: -1 }, { maybe: -1 }],
      ["a void arm", { ch: { kind: "GREEN" } }, { ch: { kind: "GREEN" } }],
      ["an arm with text", { ch: { kind: "RED", text: "hi" } }, { ch: { kind: "RED", text: "hi" } }],
      ["an arm chosen by an integer", { n: { which: 1, yes: false } }, { n: { which: 1, yes: false } }],
    ])("and takes %s", async (_what, given, shown) => {
      const { stdout, stderr } = await call("echo", JSON.stringify({ ...value, ...given }));
      expect(stderr).toBe("");
      expect(JSON.parse(stdout)).toEqual({ ...value, ...shown });
    });

    it("for a linked list of 100,000 nodes", async () => {
      const { code, stdout, stderr } = await call("count", "100000");
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout === `${listJson(100_000)}\n`).toBe(true);
    });

    it("and reads such a list from stdin", async () => {
      expect(await farcall(["call", tcp, probe, "LENGTH", "-"], { input: listJson(100_000) })).toEqual({
        code: 0,
        stdout: "100000\n",
        stderr: "",
      });
    });

    it("for several arguments, one of them negative", async () => {
      expect((await call("join", '"ab"', "2")).stdout).toBe('"abab"\n');
      expect((await call("count", "-5")).stdout).toBe("null\n");
    });

    it("which is null where there is none, over UDP as well", async () => {
      expect((await call("REST", "--version", "1")).stdout).toBe("null\n");
      expect((await farcall(["call", udp, probe, "REST", "--version", "1"])).stdout).toBe("null\n");
    });
  });

  it("says with --verbose on stderr what was called and how long it took", async () => {
    const { code, stdout, stderr } = await call("count", "1", "--verbose");
    expect([code, stdout]).toEqual([0, '{"value":0,"next":null}\n']);
    expect(stderr).toContain(`PROBE_PROG.count (program 536873368, version 1, procedure 2) at ${tcp}\n`);
    for (const phase of ["connect", "call"])
      expect(stderr).toMatch(new RegExp(`^ {2}${phase} +\\d+\\.\\d{3} ms$`, "m"));
  });

  it("calls as a Unix user with --auth sys", async () => {
    expect((await call("who", "--auth", "sys", "--uid", "4711", "--gid", "5")).stdout).toBe("4711\n");
    expect((await call("who", "--uid", "4711")).stdout).toBe("4711\n");
    expect((await call("who", "--auth", "none", "--uid", "4711")).stderr).toContain("need --auth sys");
  });

  describe("exits with 2, and sends nothing, for", () => {
    it.each([
      ["no arguments at all", [], /missing required argument 'address'/],
      ["an option that does not exist", ["tcp://x", probe, "rest", "--timout", "1"], /Did you mean --timeout\?/],
      ["a timeout that is none", ["tcp://x", probe, "rest", "--timeout", "0"], /milliseconds above 0/],
      ["a version that is none", ["tcp://x", probe, "rest", "--version", "-1"], /whole number from 0/],
      ["a flavor that does not exist", ["tcp://x", probe, "who", "--auth", "gss"], /Allowed choices are none, sys/],
      ["an address that is none", ["localhost:20", probe, "hang"], /Bad address "localhost:20".*tcp:\/\/HOST/],
      ["a file that is not there", ["tcp://x", "no-such.x", "rest"], /cannot find "no-such\.x"/],
      ["no procedure", ["tcp://x", probe], /say which procedure.*PROBE_PROG version 1\n {4}echo \{"h": hyper/s],
      ["a procedure that does not exist", ["tcp://x", probe, "ECKO"], /did you mean "echo"\?.*OTHER_PROG version 1/s],
      ["a procedure of two versions", ["tcp://x", probe, "rest"], /version 1 and .* version 2: choose with --version/],
      ["a version that does not exist", ["tcp://x", probe, "rest", "--version", "3"], /it has PROBE_PROG version 1,/],
      ["a program that does not exist", ["tcp://x", probe, "rest", "--program", "NO"], /PROBE_PROG and OTHER_PROG/],
      ["an argument too few", ["tcp://x", probe, "join", '"a"'], /takes 2 arguments, not 1: join string int -> string/],
      ["an argument too many", ["tcp://x", probe, "hang", "1"], /takes 0 arguments, not 1/],
      ["an argument that is not JSON", ["tcp://x", probe, "join", "ab", "1"], /argument 1 is not JSON.*own: '"text"'/],
      ["an argument out of range", ["tcp://x", probe, "count", "3000000000"], /expected an integer from -2147483648/],
      ["a wrong field", ["tcp://x", probe, "length", '{"value":1,"next":{"value":"x","next":null}}'], /next\.value: /],
      ["an imprecise 64-bit number", ["tcp://x", probe, "echo", '{"h": 9007199254740993}'], /h: /],
      ["two arguments from stdin", ["tcp://x", probe, "join", "-", "-"], /only one argument can come from stdin/],
    ])("%s", async (_what, args, message) => {
      const { code, stdout, stderr } = await farcall(["call", ...args]);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toMatch(message);
    });

    it("a file with errors, which are shown as the compiler shows them", async () => {
      const broken = fileURLToPath(new URL("fixtures/broken.x", import.meta.url));
      const { code, stderr } = await farcall(["call", "tcp://x", broken, "add"]);
      expect(code).toBe(2);
      expect(stderr).toMatch(/broken\.x:4:2: error: .*"strnig".*\n.*\n.*\^~+\n {2}hint: did you mean "string"/);
    });
  });

  describe("tells failures apart by whether the procedure ran", () => {
    it("3: nobody is there", async () => {
      const { code, stdout, stderr } = await farcall(["call", "unix:/no/such.sock", probe, "count", "1"]);
      expect([code, stdout]).toEqual([3, ""]);
      expect(stderr).toMatch(/unix:\/no\/such\.sock/);
      expect(stderr).toMatch(/^ {2}code {6}unavailable\n {2}executed {2}no: /m);
      expect(stderr).toMatch(/^ {2}status {4}12 \(RPC: Remote system error\)$/m);
    });

    it("3: the server has other versions", async () => {
      const { code, stderr } = await call("newer");
      expect(code).toBe(3);
      expect(stderr).toMatch(/code {6}unimplemented\n {2}executed {2}no/);
      expect(stderr).toContain("9 (RPC: Program/version mismatch)");
      expect(stderr).toContain("versions  the server has 1 to 1");
    });

    it("4: the reply is not what the file says", async () => {
      const { code, stderr } = await call("oddReply");
      expect(code).toBe(4);
      expect(stderr).toMatch(/code {6}bad-reply\n {2}executed {2}yes: the procedure ran\n {2}status {4}2 /);
    });

    it("5: the server failed, and does not say how far it got", async () => {
      const { code, stderr } = await call("FAIL");
      expect(code).toBe(5);
      expect(stderr).toMatch(/code {6}server-error\n {2}executed {2}unknown: the procedure may have run/);
      expect(stderr).not.toContain("secret");
    });

    it("5: no answer came in time", async () => {
      const { code, stderr } = await call("hang", "--timeout", "200");
      expect(code).toBe(5);
      expect(stderr).toMatch(
        /code {6}deadline-exceeded\n {2}executed {2}unknown.*\n {2}status {4}5 \(RPC: Timed out\)/,
      );
    });

    it("5: Ctrl-C, after it was sent", async () => {
      const begun = new Promise<void>((resolve) => {
        onHang = resolve;
      });
      await using running = startFarcall(["call", tcp, probe, "hang"]);
      await begun;
      running.kill("SIGINT");
      expect(await running.ended).toBe(5);
      expect(running.stderr).toMatch(/code {6}cancelled\n {2}executed {2}unknown/);
    });
  });
});
