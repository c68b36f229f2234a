import { encode, XdrReader, XdrWriter } from "farcall/xdr";
import fc from "fast-check";
import { expect, it } from "vitest";
import { murmur3, Slab } from "../../src/bytes/index.js";
import { SessionArguments } from "../../src/onc/engine/session-call.js";
import { type CallHead, Guarantee, xdrCallHead } from "../../src/onc/session/session.js";

// The head of SESSION_CALL is read by hand, for speed: this holds it against the codec that is compiled from session.x.

const uint32 = fc.nat({ max: 0xffff_ffff });
const head: fc.Arbitrary<CallHead> = fc.record({
  session: fc.uint8Array({ minLength: 20, maxLength: 20 }),
  number: fc.record({ lane: uint32, sequence: uint32 }),
  acknowledged: uint32,
  remaining: uint32,
  promised: fc.constantFrom(...Object.values(Guarantee)),
  flags: uint32,
  traceparent: fc.string({ maxLength: 60 }),
  program: uint32,
  version: uint32,
  procedure: uint32,
});

function message(value: CallHead, args: Uint8Array): Uint8Array {
  const w = new XdrWriter();
  xdrCallHead.encode(w, value);
  w.uint(args.length);
  w.bytes(args);
  return w.take();
}

it("reads what the compiled codec writes, one message after another", () => {
  const parts = new SessionArguments();
  fc.assert(
    fc.property(fc.array(head, { minLength: 1, maxLength: 4 }), fc.nat(8), (heads, words) => {
      const args = new Uint8Array(4 * words).fill(words);
      for (const value of [...heads, ...heads.slice(-1)]) {
        const r = new XdrReader(message(value, args));
        parts.read(r);
        const { number, promised, ...rest } = value;
        expect({ ...parts }).toMatchObject({ ...rest, ...number, promised: expect.any(String) });
        expect(r.remaining).toBe(args.length);
        const body = message(value, args).subarray(encode(xdrCallHead, value).length - 12);
        expect(parts.fingerprint).toBe(
          murmur3(new DataView(body.buffer, body.byteOffset), 0, body.length) * 0x20_0000 + args.length,
        );
      }
    }),
  );
});

it.each([
  ["a guarantee that is none", (w: DataView) => w.setUint32(36, 9), /9 is no guarantee/],
  ["arguments of another length than is announced", (w: DataView) => w.setUint32(60, 8), /4 bytes of arguments/],
  ["a traceparent that goes on for ever", (w: DataView) => w.setUint32(44, 0xffff_ffff), /4294967295/],
])("refuses %s", (_what, damage, error) => {
  const bytes = message(
    {
      session: new Uint8Array(20),
      number: { lane: 0, sequence: 1 },
      acknowledged: 0,
      remaining: 1,
      promised: Guarantee.MAYBE,
      flags: 0,
      traceparent: "",
      program: 1,
      version: 1,
      procedure: 1,
    },
    new Uint8Array(4),
  );
  damage(new DataView(bytes.buffer));
  expect(() => new SessionArguments().read(new XdrReader(bytes))).toThrow(error);
});

it("refuses what is cut short anywhere", () => {
  const whole = message(
    {
      session: new Uint8Array(20).fill(7),
      number: { lane: 0, sequence: 1 },
      acknowledged: 0,
      remaining: 1,
      promised: Guarantee.AT_MOST_ONCE,
      flags: 0,
      traceparent: "abc",
      program: 1,
      version: 1,
      procedure: 1,
    },
    new Uint8Array(8),
  );
  for (let size = 0; size < whole.length; size++) {
    expect(() => new SessionArguments().read(new XdrReader(whole.subarray(0, size)))).toThrow();
  }
});

it("keeps copies that later ones do not touch, of whatever length", () => {
  const slab = new Slab();
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 3_000 }), { maxLength: 20 }), fc.nat(5), (pieces, from) => {
      const copies = pieces.map((bytes) => {
        const start = Math.min(from, bytes.length);
        const copy = slab.copy(bytes, start, bytes.length);
        return copy.subarray(slab.at, slab.at + bytes.length - start);
      });
      for (const [i, bytes] of pieces.entries()) expect(copies[i]).toEqual(bytes.slice(from));
    }),
  );
});
