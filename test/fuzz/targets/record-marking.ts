// Record marking, beside a reader that is written the simple way: RFC 5531, section 11.
import { RecordError, RecordReader } from "../../../src/onc/record.js";
import { toHex } from "../../support/raw-messages.js";
import { damageBytes, join } from "../random.js";
import { chunksOf, corpusRandom, limits, records, some, type Target } from "../target.js";

const messages = Array.from({ length: 24 }, (_, i) =>
  Uint8Array.from({ length: 4 * i }, () => corpusRandom.below(256)),
);

/** What record marking says that bytes are. */
function recordsOf(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: string[] = [];
  let pieces: Uint8Array[] = [];
  let size = 0;
  for (let at = 0; at + 4 <= bytes.length; ) {
    const mark = view.getUint32(at);
    const length = mark & 0x7fff_ffff;
    at += 4;
    size += length;
    if (size > limits.recordSizeMax || pieces.length === limits.fragmentsMax) return [...found, "refused"];
    if (at + length > bytes.length) return found;
    pieces.push(bytes.subarray(at, at + length));
    at += length;
    if (mark < 0x8000_0000) continue;
    found.push(toHex(join(...pieces)));
    pieces = [];
    size = 0;
  }
  return found;
}

export const recordMarking: Target = {
  name: "record-marking",
  share: 3,
  // A RecordError and its stack, and the first block for small pieces.
  allowance: 3_072,
  make(random, large) {
    const whole = records(random, some(random, messages, large));
    const bytes = damageBytes(random, whole, random.pick(messages));
    const chunks = chunksOf(random, bytes);
    return {
      size: bytes.length,
      prepare() {
        const reader = new RecordReader(limits);
        // Room for what is found, so that noting it takes none.
        const found: Uint8Array[] = new Array((bytes.length >> 2) + 1);
        let count = 0;
        let held = 0;
        let refused = false;
        return {
          work() {
            try {
              for (const chunk of chunks) {
                reader.push(chunk);
                while (reader.next()) found[count++] = reader.buffer.subarray(reader.start, reader.end);
                held = Math.max(held, reader.held);
              }
            } catch (error) {
              if (!(error instanceof RecordError)) throw error;
              refused = true;
            }
          },
          check() {
            if (held > bytes.length) return `${held} bytes are kept of ${bytes.length}`;
            const read = [...found.slice(0, count).map(toHex), ...(refused ? ["refused"] : [])].join(" ");
            const wanted = recordsOf(bytes).join(" ");
            return read === wanted ? undefined : `read ${read}, expected ${wanted}`;
          },
        };
      },
    };
  },
};
