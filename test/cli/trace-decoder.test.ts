import { fileURLToPath } from "node:url";
import { loadInterface } from "farcall/idl";
import { describe, expect, it } from "vitest";
import { Catalogue } from "../../src/cli/trace/catalogue.js";
import { ConnectionDecoder, type DecoderLimits } from "../../src/cli/trace/decoder.js";
import type { Direction, TraceEvent } from "../../src/cli/trace/events.js";
import { jsonPrinter, textPrinter } from "../../src/cli/trace/print.js";

const everytype = fileURLToPath(new URL("../interop/c/everytype.x", import.meta.url));
const catalogue = new Catalogue();
for (const service of loadInterface(everytype).services) catalogue.add(service);

const text = textPrinter({ full: false, bytes: false });
/** A line without the time. */
const lineOf = (event: TraceEvent): string =>
  text(1, event)
    .trimEnd()
    .replace(/^\S+ #1 /, "");

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));

/** A record of the given fragments. */
function record(...fragments: string[]): Uint8Array {
  const parts = fragments.map((hex, i) => {
    const bytes = bytesOf(hex);
    const mark = Buffer.alloc(4);
    mark.writeUInt32BE(bytes.length + (i === fragments.length - 1 ? 2 ** 31 : 0));
    return Buffer.concat([mark, bytes]);
  });
  return Uint8Array.from(Buffer.concat(parts));
}

type Step = readonly [direction: "→" | "←", hex: string, expected: string];

const directions: Readonly<Record<string, Direction>> = { "→": "to-server", "←": "to-client" };

// What libtirpc's client and server said to each other, with other xids.
const subtract = "0000abcd 00000000 00000002 20000e01 00000001 00000017 00000000 00000000 00000000 00000000";
const sysCredential = "00000001 00000020 6909d3c1 00000002 766d0000 000003e8 00000005 00000002 00000005 00000007";
const accepted = "0000abcd 00000001 00000000 00000000 00000000";

const conversations: readonly (readonly [name: string, steps: readonly Step[]])[] = [
  [
    "a call and its result, by names",
    [
      ["→", `${subtract} 00000005 00000007`, "→ EVERY_TYPE/1.subtract(5, 7) xid=0000abcd"],
      ["←", `${accepted} 00000000 fffffffe`, "← EVERY_TYPE/1.subtract = -2 xid=0000abcd 1.000 ms"],
    ],
  ],
  [
    "AUTH_SYS with its user, groups and machine",
    [
      [
        "→",
        `0000abcd 00000000 00000002 20000e01 00000001 00000001 ${sysCredential} 00000000 00000000`,
        '→ EVERY_TYPE/1.echoVoid() xid=0000abcd AUTH_SYS(uid=1000 gid=5 gids=5,7 machine="vm")',
      ],
      ["←", `${accepted} 00000000`, "← EVERY_TYPE/1.echoVoid = void xid=0000abcd 1.000 ms"],
    ],
  ],
  [
    "AUTH_SYS that does not say who, and a flavor that nobody knows",
    [
      [
        "→",
        `00000001 00000000 00000002 20000e01 00000001 00000000 00000001 00000004 00000000 00000000 00000000`,
        "→ EVERY_TYPE/1.null() xid=00000001 AUTH_SYS(malformed)",
      ],
      [
        "→",
        `00000002 00000000 00000002 20000e01 00000001 00000000 000000ff 00000000 00000000 00000000`,
        "→ EVERY_TYPE/1.null() xid=00000002 auth_flavor 255",
      ],
    ],
  ],
  [
    "every way to refuse a call",
    (
      [
        ["00000000 00000000 00000000 00000001", "accepted PROG_UNAVAIL"],
        ["00000000 00000000 00000000 00000002 00000002 00000004", "accepted PROG_MISMATCH 2 to 4"],
        ["00000000 00000000 00000000 00000003", "accepted PROC_UNAVAIL"],
        ["00000000 00000000 00000000 00000004", "accepted GARBAGE_ARGS"],
        ["00000000 00000000 00000000 00000005", "accepted SYSTEM_ERR"],
        ["00000001 00000000 00000002 00000002", "denied RPC_MISMATCH 2 to 2"],
        ["00000001 00000001 00000005", "denied AUTH_ERROR AUTH_TOOWEAK"],
        ["00000001 00000001 00000063", "denied AUTH_ERROR auth_stat 99"],
      ] as const
    ).flatMap(([body, said]): Step[] => [
      ["→", `${subtract} 00000005 00000007`, "→ EVERY_TYPE/1.subtract(5, 7) xid=0000abcd"],
      ["←", `0000abcd 00000001 ${body}`, `← EVERY_TYPE/1.subtract ${said} xid=0000abcd 1.000 ms`],
    ]),
  ],
  [
    "programs, versions and procedures that no file describes, by numbers",
    [
      [
        "→",
        "00000007 00000000 00000002 000186a3 00000003 00000001 00000000 00000000 00000000 00000000 00000000",
        "→ 100003/3.1(4 bytes) xid=00000007",
      ],
      ["←", "00000007 00000001 00000000 00000000 00000000 00000000 01", "← 100003/3.1 = 1 byte xid=00000007 1.000 ms"],
      [
        "→",
        "00000008 00000000 00000002 20000e01 00000009 00000001 00000000 00000000 00000000 00000000",
        "→ EVERY_TYPE/9.1(0 bytes) xid=00000008",
      ],
      [
        "→",
        "00000009 00000000 00000002 20000e01 00000001 00000063 00000000 00000000 00000000 00000000",
        "→ EVERY_TYPE/1.99(0 bytes) xid=00000009",
      ],
    ],
  ],
  [
    "arguments and results that are not what the file says",
    [
      [
        "→",
        `${subtract} 00000005`,
        "→ EVERY_TYPE/1.subtract(4 bytes) xid=0000abcd malformed arguments: args[1]: the bytes end early: 4 are needed, 0 are left",
      ],
      [
        "←",
        `${accepted} 00000000 fffffffe 00000000`,
        "← EVERY_TYPE/1.subtract = 8 bytes xid=0000abcd 1.000 ms malformed result: 4 bytes are left over after the value",
      ],
    ],
  ],
  [
    "a call that is sent again, one whose xid is used anew, and a reply that comes twice",
    [
      ["→", `${subtract} 00000005 00000007`, "→ EVERY_TYPE/1.subtract(5, 7) xid=0000abcd"],
      ["→", `${subtract} 00000005 00000007`, "→ EVERY_TYPE/1.subtract(5, 7) xid=0000abcd again"],
      ["←", `${accepted} 00000000 fffffffe`, "← EVERY_TYPE/1.subtract = -2 xid=0000abcd 2.000 ms"],
      ["←", `${accepted} 00000000 fffffffe`, "← reply to a call not seen = 4 bytes xid=0000abcd"],
      ["→", `${subtract} 00000005 00000007`, "→ EVERY_TYPE/1.subtract(5, 7) xid=0000abcd"],
      [
        "→",
        "0000abcd 00000000 00000002 20000e01 00000001 00000002 00000000 00000000 00000000 00000000 00000001",
        "→ EVERY_TYPE/1.echoInt(1) xid=0000abcd",
      ],
      ["←", `${accepted} 00000000 00000001`, "← EVERY_TYPE/1.echoInt = 1 xid=0000abcd 1.000 ms"],
    ],
  ],
  [
    "a server that calls back over the same connection, with the same xid",
    [
      ["→", `${subtract} 00000005 00000007`, "→ EVERY_TYPE/1.subtract(5, 7) xid=0000abcd"],
      ["←", `${subtract} 00000001 00000002`, "← EVERY_TYPE/1.subtract(1, 2) xid=0000abcd"],
      ["→", `${accepted} 00000000 ffffffff`, "→ EVERY_TYPE/1.subtract = -1 xid=0000abcd 1.000 ms"],
      ["←", `${accepted} 00000000 fffffffe`, "← EVERY_TYPE/1.subtract = -2 xid=0000abcd 3.000 ms"],
    ],
  ],
  [
    "arguments under RPCSEC_GSS, which only its two ends can read",
    [
      [
        "→",
        "00000001 00000000 00000002 20000e01 00000001 00000017 00000006 00000004 01020304 00000000 00000000 00000000",
        "→ EVERY_TYPE/1.subtract(4 bytes) xid=00000001 RPCSEC_GSS",
      ],
      [
        "←",
        "00000001 00000001 00000000 00000000 00000000 00000000 00000000",
        "← EVERY_TYPE/1.subtract = 4 bytes xid=00000001 1.000 ms",
      ],
    ],
  ],
  [
    "messages that are none, and what follows them",
    [
      ["→", "", "→ malformed message of 0 bytes: 0 bytes are no message: it has an xid and a type"],
      ["→", "00000001 0000", "→ malformed message of 6 bytes: 6 bytes are no message: it has an xid and a type"],
      [
        "→",
        "00000001 00000002",
        "→ malformed message of 8 bytes xid=00000001: message type 2 is neither CALL nor REPLY",
      ],
      [
        "→",
        "00000001 00000000 00000002 20000e01",
        "→ malformed message of 16 bytes xid=00000001: the call ends within its header",
      ],
      [
        "→",
        "00000002 00000000 00000003 20000e01 00000001 00000017 00000000 00000000 00000000 00000000",
        "→ malformed message of 40 bytes xid=00000002: the call is of another version of RPC than 2",
      ],
      [
        "←",
        "00000002 00000001 00000001 00000000 00000002 00000002",
        "← reply to a malformed call denied RPC_MISMATCH 2 to 2 xid=00000002 1.000 ms",
      ],
      [
        "→",
        "00000003 00000000 00000002 20000e01 00000001 00000017 00000000 00000191 00000000",
        "→ malformed message of 36 bytes xid=00000003: the credential is malformed, or longer than 400 bytes",
      ],
      [
        "←",
        "00000003 00000001 00000001 00000001 00000001",
        "← EVERY_TYPE/1.subtract denied AUTH_ERROR AUTH_BADCRED xid=00000003 1.000 ms",
      ],
      [
        "→",
        "00000004 00000000 00000002 20000e01 00000001 00000017 00000000 00000000 00000000",
        "→ malformed message of 36 bytes xid=00000004: the verifier is malformed, or longer than 400 bytes",
      ],
      [
        "←",
        "00000004 00000001 00000002",
        "← malformed message of 12 bytes xid=00000004: reply_stat 2 is neither MSG_ACCEPTED nor MSG_DENIED",
      ],
      ["→", `${subtract} 00000005 00000007`, "→ EVERY_TYPE/1.subtract(5, 7) xid=0000abcd"],
    ],
  ],
];

/** Feeds a stream in chunks. */
function stream(
  decoder: ConnectionDecoder,
  direction: Direction,
  bytes: Uint8Array,
  at: number,
  size: number,
): string[] {
  const lines: string[] = [];
  for (let from = 0; from < bytes.length; from += size) {
    for (const event of decoder.stream(direction, bytes.slice(from, from + size), at)) lines.push(lineOf(event));
  }
  return lines;
}

describe.each([
  ["record by record", (hex: string) => record(hex), Number.POSITIVE_INFINITY],
  ["byte by byte", (hex: string) => record(hex), 1],
  [
    "in chunks of five bytes, and fragments of seven with empty ones between",
    (hex: string) => record(...fragments(hex)),
    5,
  ],
])("the tracer shows a stream, %s:", (_how, recordOf, size) => {
  it.each(conversations)("%s", (_name, steps) => {
    const decoder = new ConnectionDecoder(catalogue);
    const lines = steps.flatMap(([arrow, hex], at) =>
      stream(decoder, directions[arrow] as Direction, recordOf(hex), at, size),
    );
    expect(lines).toEqual(steps.map(([, , expected]) => expected));
    expect(decoder.held).toBe(0);
  });
});

function fragments(hex: string): string[] {
  const digits = hex.replaceAll(" ", "");
  return ["", ...(digits.match(/.{1,14}/g) ?? []).flatMap((part) => [part, ""])];
}

describe("the tracer shows datagrams:", () => {
  it.each(conversations)("%s", (_name, steps) => {
    const decoder = new ConnectionDecoder(catalogue);
    const lines = steps.map(([arrow, hex], at) =>
      lineOf(decoder.datagram(directions[arrow] as Direction, bytesOf(hex), at)),
    );
    expect(lines).toEqual(steps.map(([, , expected]) => expected));
  });
});

describe("the tracer is bounded:", () => {
  const make = (limits?: DecoderLimits): ConnectionDecoder => new ConnectionDecoder(catalogue, limits);
  const whole = Number.POSITIVE_INFINITY;

  it("a record over the limit ends the decoding of both directions, and lets go of what was kept", () => {
    const decoder = make({ recordSizeMax: 1_000 });
    expect(stream(decoder, "to-client", bytesOf("80000064 00"), 0, whole)).toEqual([]);
    expect(decoder.held).toBeGreaterThan(0);
    expect(stream(decoder, "to-server", bytesOf("800003e9"), 0, whole)).toEqual([
      "→ not decoded any more: a record of at least 1001 bytes is over the limit of 1000 (recordSizeMax); bytes still pass",
    ]);
    expect([decoder.stopped, decoder.held]).toEqual([true, 0]);
    expect(stream(decoder, "to-server", record(subtract), 0, whole)).toEqual([]);
    expect(stream(decoder, "to-client", record(accepted), 0, whole)).toEqual([]);
  });

  it("endless empty fragments end it too", () => {
    const [line] = stream(make(), "to-server", new Uint8Array(4 * 5_000), 0, whole);
    expect(line).toMatch(/not decoded any more: a record of more than 4096 fragments/);
  });

  it("the oldest of too many calls without an answer is forgotten", () => {
    const decoder = make({ pendingCallsMax: 2 });
    const call = (xid: number) => record(`0000000${xid} ${subtract.slice(9)} 00000005 00000007`);
    for (const xid of [1, 2, 3]) stream(decoder, "to-server", call(xid), 0, whole);
    expect(decoder.unanswered).toBe(2);
    const reply = (xid: number) =>
      stream(decoder, "to-client", record(`0000000${xid} ${accepted.slice(9)} 00000000 fffffffe`), 5, whole);
    expect(reply(1)).toEqual(["← reply to a call not seen = 4 bytes xid=00000001"]);
    expect(reply(3)).toEqual(["← EVERY_TYPE/1.subtract = -2 xid=00000003 5.000 ms"]);
  });

  it("what it keeps of a record follows what has come, not what was announced", () => {
    const decoder = make();
    stream(decoder, "to-server", bytesOf("80ffffff"), 0, whole);
    expect(decoder.held).toBe(0);
    for (let i = 0; i < 100; i++) stream(decoder, "to-server", new Uint8Array(1_000), 0, whole);
    expect(decoder.held).toBe(100_000);
  });
});

describe("the tracer stops at TLS:", () => {
  it("where AUTH_TLS is answered with STARTTLS", () => {
    const decoder = new ConnectionDecoder(catalogue);
    const ping = "0000abcd 00000000 00000002 20000e01 00000001 00000000 00000007 00000000 00000000 00000000";
    expect(stream(decoder, "to-server", record(ping), 0, 1)).toEqual(["→ EVERY_TYPE/1.null() xid=0000abcd AUTH_TLS"]);
    const starttls = "0000abcd 00000001 00000000 00000000 00000008 53544152 54544c53 00000000";
    const bytes = Buffer.concat([record(starttls), bytesOf("160303007a02000076030300")]);
    expect(stream(decoder, "to-client", bytes, 0, Number.POSITIVE_INFINITY)).toEqual([
      "← EVERY_TYPE/1.null = void xid=0000abcd 0.000 ms",
      "← not decoded any more: TLS begins (RFC 9289); bytes still pass",
    ]);
  });

  it("not where a server declines", () => {
    const decoder = new ConnectionDecoder(catalogue);
    const ping = "0000abcd 00000000 00000002 20000e01 00000001 00000000 00000007 00000000 00000000 00000000";
    stream(decoder, "to-server", record(ping), 0, 1);
    stream(decoder, "to-client", record(`${accepted} 00000000`), 0, 1);
    expect(decoder.stopped).toBe(false);
  });

  it("that begins with the first byte", () => {
    const [line] = stream(new ConnectionDecoder(catalogue), "to-server", bytesOf("16030100f5010000f10303"), 0, 100);
    expect(line).toBe("→ not decoded any more: this is TLS, and not ONC RPC in clear text; bytes still pass");
  });
});

describe("what peers say cannot command the terminal:", () => {
  // 0x9b is a control sequence's start where terminals take 8-bit controls.
  const machine = "1b5b324a c29b324a";
  const evil = `00000001 00000000 00000002 20000e01 00000001 0000000a 00000001 0000001c 00000000 00000008 ${machine} 00000000 00000000 00000000 00000000 00000000 00000008 ${machine}`;

  it.each([
    ["text", textPrinter({ full: true, bytes: true })],
    ["JSON", jsonPrinter({ full: true, bytes: true })],
  ])("in %s", (_kind, printer) => {
    const shown = printer(1, new ConnectionDecoder(catalogue).datagram("to-server", bytesOf(evil), 0));
    expect(shown).toContain("\\u001b[2J\\u009b2J");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(shown).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });
});

describe("the tracer prints JSON:", () => {
  const json = jsonPrinter({ full: false, bytes: true });
  const eventOf = (decoder: ConnectionDecoder, arrow: string, hex: string, at: number): unknown =>
    JSON.parse(json(3, decoder.datagram(directions[arrow] as Direction, bytesOf(hex), at)));

  it("a call, its result and its refusal", () => {
    const decoder = new ConnectionDecoder(catalogue);
    const call = `0000abcd 00000000 00000002 20000e01 00000001 00000017 ${sysCredential} 00000000 00000000 00000005 00000007`;
    const target = {
      program: 0x20000e01,
      version: 1,
      procedure: 23,
      programName: "EVERY_TYPE",
      procedureName: "subtract",
    };
    expect(eventOf(decoder, "→", call, 1_000)).toEqual({
      time: "1970-01-01T00:00:01.000Z",
      connection: 3,
      event: "call",
      direction: "to-server",
      xid: 0xabcd,
      target,
      credential: { flavor: "AUTH_SYS", stamp: 0x6909d3c1, machinename: "vm", uid: 1000, gid: 5, gids: [5, 7] },
      bytesOfArguments: 8,
      args: [5, 7],
      bytes: call.replaceAll(" ", ""),
    });
    const reply = `${accepted} 00000000 fffffffe`;
    expect(eventOf(decoder, "←", reply, 1_001.2345678)).toEqual({
      time: "1970-01-01T00:00:01.001Z",
      connection: 3,
      event: "reply",
      direction: "to-client",
      xid: 0xabcd,
      target,
      elapsedMs: 1.235,
      status: "accepted",
      stat: "SUCCESS",
      bytesOfResult: 4,
      result: -2,
      bytes: reply.replaceAll(" ", ""),
    });
    eventOf(decoder, "→", call, 1_000);
    expect(eventOf(decoder, "←", "0000abcd 00000001 00000001 00000001 00000005", 1_000)).toMatchObject({
      status: "denied",
      stat: "AUTH_ERROR",
      why: "AUTH_TOOWEAK",
    });
    eventOf(decoder, "→", call, 1_000);
    expect(
      eventOf(decoder, "←", "0000abcd 00000001 00000000 00000000 00000000 00000002 00000002 00000004", 1_000),
    ).toMatchObject({
      status: "accepted",
      stat: "PROG_MISMATCH",
      versions: { low: 2, high: 4 },
    });
  });

  it("values over 64 KiB only in full", () => {
    const size = 65_536;
    const call = `00000001 00000000 00000002 20000e01 00000001 0000000b 00000000 00000000 00000000 00000000 00010000 ${"ab".repeat(size)}`;
    const event = new ConnectionDecoder(catalogue).datagram("to-server", bytesOf(call), 0);
    const short = JSON.parse(jsonPrinter({ full: false, bytes: false })(1, event)) as object;
    expect(short).toMatchObject({ bytesOfArguments: size + 4, omitted: true });
    expect(short).not.toHaveProperty("args");
    const { args } = JSON.parse(jsonPrinter({ full: true, bytes: false })(1, event)) as { args: string[] };
    expect(Buffer.from(args[0] ?? "", "base64")).toHaveLength(size);
  });
});
