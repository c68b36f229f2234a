import type { OncService } from "../onc/program.js";
import type { CallRecord, ExecutionRecord } from "./history.js";
import { MessageReader } from "./messages.js";
import type { NetworkObserver } from "./network.js";
import type { VirtualTime } from "./time.js";

/** How much of a value is shown. */
const valueLengthMax = 60;

/** Writes down what happens in one history: calls, executions, messages, and what goes wrong. */
export class TimelineRecorder implements NetworkObserver {
  readonly #lines: string[] = [];
  readonly #messages: MessageReader;
  #time: VirtualTime | undefined;

  constructor(service: OncService<unknown>) {
    this.#messages = new MessageReader(service);
  }

  get text(): string {
    return this.#lines.join("\n");
  }

  begin(time: VirtualTime): void {
    this.#time = time;
    this.#lines.length = 0;
  }

  note(who: string, what: string): void {
    this.#lines.push(`${(this.#time?.now ?? 0).toFixed(1).padStart(9)} ms  ${who.padEnd(10)} ${what}`);
  }

  called(call: CallRecord): void {
    const { number, procedure, args, guarantee, settleBy } = call;
    const till = `until ${settleBy.toFixed(1)} ms`;
    this.note(call.client, `call #${number} ${procedure}(${args.map(show).join(", ")}), ${guarantee}, ${till}`);
  }

  settled({ client, number, ending }: CallRecord): void {
    if (ending === undefined) return;
    if (ending.ok) this.note(client, `call #${number} returns ${show(ending.value)}`);
    else
      this.note(client, `call #${number} fails: ${ending.code}, executed ${ending.executed}: ${ending.error.message}`);
  }

  began(who: string, { number, procedure, args }: ExecutionRecord): void {
    this.note(who, `execution ${number} of ${procedure}(${args.map(show).join(", ")}) begins`);
  }

  message(from: string, to: string, bytes: Uint8Array, transport: "stream" | "datagram", note: string): void {
    const suffix = note === "" ? "" : ` (${note})`;
    for (const message of transport === "stream" ? this.#recordsOf(bytes) : [bytes]) {
      this.note(from, `-> ${to}: ${this.#messages.describe(message)}${suffix}`);
    }
  }

  /** What a write holds: whole records, since an outbox gathers nothing else. */
  #recordsOf(bytes: Uint8Array): Uint8Array[] {
    const records: Uint8Array[] = [];
    for (let at = 0; at + 4 <= bytes.length; ) {
      const length = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0) & 0x7fff_ffff;
      records.push(bytes.subarray(at + 4, at + 4 + length));
      at += 4 + length;
    }
    return records;
  }
}

/** A value in a few characters. */
function show(value: unknown): string {
  const text =
    JSON.stringify(value, (_key, item: unknown) => {
      if (typeof item === "bigint") return String(item);
      return item instanceof Uint8Array ? `<${item.length} bytes>` : item;
    }) ?? "nothing";
  return text.length > valueLengthMax ? `${text.slice(0, valueLengthMax)}...` : text;
}
