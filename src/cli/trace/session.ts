import type { Catalogue } from "./catalogue.js";
import { ConnectionDecoder, type DecoderLimits } from "./decoder.js";
import type { Direction, TraceEvent } from "./events.js";
import type { Output } from "./output.js";
import type { ConnectionEvent, Printer } from "./print.js";

/** Most bytes of unfinished records of all connections. Whoever exceeds it is not decoded any more. */
export const bufferedBytesMax: number = 256 * 1024 * 1024;

/** What a proxy tells of one connection, or of one sender of datagrams. */
export interface Wiretap {
  stream(direction: Direction, chunk: Uint8Array): void;
  datagram(direction: Direction, bytes: Uint8Array): void;
  /** Something went wrong that is not the end. */
  failed(why: string): void;
  closed(why?: string): void;
}

export interface SessionOptions extends DecoderLimits {
  readonly catalogue: Catalogue;
  readonly printer: Printer;
  readonly output: Output;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly bufferedBytesMax?: number | undefined;
}

/** Counts connections and messages, and prints what happens on them. */
export class TraceSession {
  readonly counts = { connections: 0, calls: 0, replies: 0, malformed: 0 };
  readonly #options: SessionOptions;
  /** Where its lines go: a proxy that can wait waits while it is blocked. */
  readonly output: Output;
  #bufferedBytes = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.output = options.output;
  }

  open(peer: string): Wiretap {
    const { catalogue, now, output } = this.#options;
    const connection = ++this.counts.connections;
    const decoder = new ConnectionDecoder(catalogue, this.#options);
    const print = (event: TraceEvent | ConnectionEvent): void => this.#print(connection, event);
    const say = (kind: ConnectionEvent["kind"], text: string): void => print({ kind, at: now(), text });
    let held = 0;
    let missed = 0;
    const sayMissed = (): void => {
      if (missed > 0)
        say("failed", `to show ${missed} ${missed === 1 ? "datagram" : "datagrams"}: the output is too slow`);
      missed = 0;
    };
    const account = (): void => {
      this.#bufferedBytes += decoder.held - held;
      held = decoder.held;
    };
    say("opened", `by ${peer}`);
    return {
      stream: (direction, chunk) => {
        const at = now();
        try {
          for (const event of decoder.stream(direction, chunk, at)) print(event);
          account();
          if (held > 0 && this.#bufferedBytes > (this.#options.bufferedBytesMax ?? bufferedBytesMax)) {
            print(decoder.stop(direction, "unfinished records of all connections take too much memory", at));
          }
        } catch (error) {
          // A mistake of the tracer must not stop the traffic.
          print(decoder.stop(direction, `the tracer failed: ${String(error)}`, at));
        }
        account();
      },
      datagram: (direction, bytes) => {
        // A sender of datagrams cannot be made to wait.
        if (output.blocked) {
          missed++;
          return;
        }
        sayMissed();
        try {
          print(decoder.datagram(direction, bytes, now()));
        } catch (error) {
          say("failed", `to decode a datagram: ${String(error)}`);
        }
      },
      failed: (why) => say("failed", why),
      closed: (why) => {
        sayMissed();
        const { unanswered } = decoder;
        const calls = unanswered === 0 ? "" : `${unanswered} ${unanswered === 1 ? "call" : "calls"} without an answer`;
        say("closed", [why ?? "", calls].filter((text) => text !== "").join("; "));
        this.#bufferedBytes -= held;
        held = 0;
      },
    };
  }

  #print(connection: number, event: TraceEvent | ConnectionEvent): void {
    const { counts } = this;
    if (event.kind === "malformed" || ("problem" in event && event.problem !== undefined)) counts.malformed++;
    if (event.kind === "call") counts.calls++;
    if (event.kind === "reply") counts.replies++;
    this.#options.output.write(this.#options.printer(connection, event));
  }
}
