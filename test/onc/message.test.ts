import { describe, expect, it } from "vitest";
import {
  authNone,
  CallHeader,
  type OpaqueAuth,
  type Refusal,
  ReplyHeader,
  writeCallHeader,
  writeOpaqueAuth,
  writeRefusal,
  writeSuccessHeader,
} from "../../src/onc/message.js";
import { XdrReader, XdrWriter } from "../../src/xdr/index.js";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));
const written = (write: (w: XdrWriter) => void): string => {
  const w = new XdrWriter();
  write(w);
  return hex(w.view());
};

// RFC 5531, section 9, word by word.
const sysCredential: OpaqueAuth = { flavor: 1, body: bytesOf("00000000 00000000 00000001 00000002 00000000") };
const calls: [name: string, bytes: string, fields: object][] = [
  [
    "a call without credentials",
    "0000002a 00000000 00000002 20000101 00000001 00000003 00000000 00000000 00000000 00000000",
    { xid: 42, program: 0x20000101, version: 1, procedure: 3, credential: authNone, verifier: authNone },
  ],
  [
    "a call with AUTH_SYS",
    "ffffffff 00000000 00000002 000186a3 00000003 00000000 00000001 00000014 00000000 00000000 00000001 00000002 00000000 00000000 00000000",
    { xid: 0xffff_ffff, program: 100003, version: 3, procedure: 0, credential: sysCredential, verifier: authNone },
  ],
];

describe("a call's header", () => {
  it.each(calls)("of %s is written as the specification says", (_name, text, fields) => {
    const header = fields as CallHeader;
    const bytes = written((w) => {
      writeCallHeader(w, header.xid, header);
      writeOpaqueAuth(w, header.credential);
      writeOpaqueAuth(w, header.verifier);
    });
    expect(bytes).toBe(text.replaceAll(" ", ""));
  });

  it.each(calls)("of %s is read, and what follows is left", (_name, text, fields) => {
    const header = new CallHeader();
    const r = new XdrReader(bytesOf(`${text} 12345678`));
    expect(header.read(r)).toBe("call");
    expect(header).toMatchObject(fields);
    expect(r.remaining).toBe(4);
  });

  it.each(calls)("of %s, cut at each length, is answered or dropped but never taken for a call", (_name, text) => {
    const bytes = bytesOf(text);
    for (let length = 0; length < bytes.length; length++) {
      const outcome = new CallHeader().read(new XdrReader(bytes.subarray(0, length)));
      if (length < 24) expect(outcome).toBe("not-a-call");
      else expect(["bad-credential", "bad-verifier"]).toContain(outcome);
    }
  });

  it.each([
    ["another version of the protocol", "00000001 00000000 00000003", "rpc-mismatch"],
    ["a reply", "00000001 00000001 00000000", "not-a-call"],
    ["a message type that does not exist", "00000001 00000002 00000002", "not-a-call"],
    [
      "a credential of 400 bytes",
      `00000001 00000000 00000002 ${"00000001".repeat(3)} 00000001 00000190 ${"00".repeat(400)} 00000000 00000000`,
      "call",
    ],
    [
      "a credential of 401 bytes",
      `00000001 00000000 00000002 ${"00000001".repeat(3)} 00000001 00000191 ${"00".repeat(404)} 00000000 00000000`,
      "bad-credential",
    ],
    [
      "a credential that claims gigabytes",
      `00000001 00000000 00000002 ${"00000001".repeat(3)} 00000001 ffffffff`,
      "bad-credential",
    ],
    [
      "a verifier of 401 bytes",
      `00000001 00000000 00000002 ${"00000001".repeat(3)} 00000000 00000000 00000001 00000191 ${"00".repeat(404)}`,
      "bad-verifier",
    ],
  ])("%s", (_name, text, outcome) => {
    expect(new CallHeader().read(new XdrReader(bytesOf(text)))).toBe(outcome);
  });
});

const refusals: [bytes: string, refusal: Refusal][] = [
  ["00000007 00000001 00000000 00000000 00000000 00000001", { stat: "PROG_UNAVAIL" }],
  [
    "00000007 00000001 00000000 00000000 00000000 00000002 00000002 00000004",
    { stat: "PROG_MISMATCH", low: 2, high: 4 },
  ],
  ["00000007 00000001 00000000 00000000 00000000 00000003", { stat: "PROC_UNAVAIL" }],
  ["00000007 00000001 00000000 00000000 00000000 00000004", { stat: "GARBAGE_ARGS" }],
  ["00000007 00000001 00000000 00000000 00000000 00000005", { stat: "SYSTEM_ERR" }],
  ["00000007 00000001 00000001 00000000 00000002 00000002", { stat: "RPC_MISMATCH", low: 2, high: 2 }],
  ["00000007 00000001 00000001 00000001 00000005", { stat: "AUTH_ERROR", why: 5 }],
];

describe("a reply", () => {
  it("of a result is written as the specification says", () => {
    expect(written((w) => writeSuccessHeader(w, 7, authNone))).toBe("000000070000000100000000000000000000000000000000");
  });

  it("of a result is read, with its verifier, and the result is left", () => {
    const r = new XdrReader(bytesOf("00000007 00000001 00000000 00000002 00000004 aabbccdd 00000000 00000005"));
    const header = new ReplyHeader();
    expect(header.readXid(r)).toBe(true);
    header.readBody(r);
    expect(header).toMatchObject({ xid: 7, refusal: undefined, verifier: { flavor: 2 } });
    expect(hex(header.verifier.body)).toBe("aabbccdd");
    expect(r.remaining).toBe(4);
  });

  it.each(refusals)("%s is written and read", (text, refusal) => {
    expect(written((w) => writeRefusal(w, 7, refusal))).toBe(text.replaceAll(" ", ""));
    const r = new XdrReader(bytesOf(text));
    const header = new ReplyHeader();
    expect(header.readXid(r)).toBe(true);
    header.readBody(r);
    expect(header.refusal).toEqual(refusal);
    expect(r.remaining).toBe(0);
  });

  it.each(refusals)("%s, cut at each length, is no reply or malformed", (text) => {
    const bytes = bytesOf(text);
    for (let length = 0; length < bytes.length; length++) {
      const r = new XdrReader(bytes.subarray(0, length));
      const header = new ReplyHeader();
      if (length < 8) expect(header.readXid(r)).toBe(false);
      else {
        expect(header.readXid(r)).toBe(true);
        expect(() => header.readBody(r)).toThrow(/end early/);
      }
    }
  });

  it.each([
    ["reply_stat", "00000007 00000001 00000002", /reply_stat 2/],
    ["accept_stat", "00000007 00000001 00000000 00000000 00000000 00000006", /accept_stat 6/],
    ["reject_stat", "00000007 00000001 00000001 00000002", /reject_stat 2/],
    ["verifier", "00000007 00000001 00000000 00000001 00000191", /401 bytes is over the limit of 400/],
  ])("with an unknown or oversized %s is malformed", (_name, text, message) => {
    const r = new XdrReader(bytesOf(text));
    const header = new ReplyHeader();
    header.readXid(r);
    expect(() => header.readBody(r)).toThrow(message);
  });
});
