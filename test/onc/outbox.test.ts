import fc from "fast-check";
import { expect, it } from "vitest";
import type { KeptBatch } from "../../src/onc/engine/outbox.js";
import { Outbox } from "../../src/onc/engine/outbox.js";

interface Kept {
  readonly batch: KeptBatch;
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}

function write(outbox: Outbox, bytes: Uint8Array, keep: boolean): Kept | undefined {
  const at = outbox.size;
  outbox.append(bytes);
  return keep ? { batch: outbox.keep(), from: at + 4, to: outbox.size, bytes } : undefined;
}

it("gives what it keeps of a batch back, whatever is written and released meanwhile", () => {
  const message = fc.record({ bytes: fc.uint8Array({ maxLength: 1_000 }), keep: fc.boolean(), release: fc.boolean() });
  fc.assert(
    fc.property(fc.array(fc.array(message, { maxLength: 90 }), { maxLength: 12 }), (batches) => {
      const outbox = new Outbox();
      const kept: Kept[] = [];
      const lent: { readonly slice: Uint8Array; readonly bytes: Uint8Array }[] = [];
      for (const messages of batches) {
        for (const { bytes, keep, release } of messages) {
          const one = write(outbox, bytes, keep);
          if (one === undefined) continue;
          // Asked for before its batch is handed on, and some not at all.
          expect(one.batch.slice(one.from, one.to)).toEqual(bytes);
          if (release) one.batch.release();
          else kept.push(one);
        }
        outbox.take()?.written();
        const asked = kept.at(-1);
        if (asked === undefined) continue;
        // What was asked for stays as it was after its release, too.
        lent.push({ slice: asked.batch.slice(asked.from, asked.to), bytes: asked.bytes });
        kept.pop();
        asked.batch.release();
        const other = kept.pop();
        other?.batch.release();
      }
      for (const { batch, from, to, bytes } of kept) expect(batch.slice(from, to)).toEqual(bytes);
      for (const { slice, bytes } of lent) expect(slice).toEqual(bytes);
    }),
  );
});

it("is full with 64 messages, or with 8 KiB of them, and empty once it was taken", () => {
  const outbox = new Outbox();
  for (let i = 0; i < 63; i++) write(outbox, new Uint8Array(8), false);
  expect(outbox.full).toBe(false);
  write(outbox, new Uint8Array(8), false);
  expect(outbox.full).toBe(true);
  outbox.take();
  expect(outbox.full).toBe(false);
  write(outbox, new Uint8Array(8_188), false);
  expect(outbox.full).toBe(true);
});
