// The client's engines against a hostile server: whatever it sends, every call ends once, with a result or an RpcError.
import { RpcError, type Semantics } from "../../../src/model/index.js";
import { argsCodec } from "../../../src/onc/args.js";
import { clientAuthNone } from "../../../src/onc/auth/index.js";
import {
  type CallTarget,
  ClientCall,
  DatagramClientEngine,
  StreamClientEngine,
} from "../../../src/onc/engine/index.js";
import { RecordError } from "../../../src/onc/record.js";
import { uint } from "../../../src/xdr/index.js";
import { fromHex, toHex, words } from "../../support/raw-messages.js";
import { damageBytes } from "../random.js";
import { chunksOf, corpusRandom, limits, records, some, type Target } from "../target.js";
import { encodedOf } from "../values.js";
import { program, reply } from "./messages.js";

const target = (semantics: Semantics): CallTarget => ({
  name: "FUZZ.get",
  program,
  version: 1,
  procedure: 1,
  args: argsCodec([uint]),
  result: reply,
  semantics,
});
const callCount = 4;

/** Replies that fit the calls under way: results, refusals, and what is no reply. */
const replyCorpus: Uint8Array[] = Array.from({ length: 48 }, (_, i) => {
  const xid = 1 + (i % callCount);
  const bodies = [
    words(xid, 1, 0, 0, 0, 0) + toHex(encodedOf(corpusRandom, reply)),
    words(xid, 1, 0, 0, 0, 0) + toHex(encodedOf(corpusRandom, reply)),
    words(xid, 1, 0, 0, 0, 1 + (i % 5), 2, 3),
    words(xid, 1, 1, 0, 2, 2),
    words(xid, 1, 1, 1, i % 15),
    words(xid, 0, 2, 100_000, 2, 0, 0, 0, 0, 0),
  ];
  return fromHex(bodies[i % bodies.length] as string);
});

class Ends {
  counts: number[] = [];
  error: unknown;

  call(semantics: Semantics, xid: number): ClientCall {
    this.counts[xid] = 0;
    const end = (): void => {
      this.counts[xid] = (this.counts[xid] ?? 0) + 1;
    };
    return new ClientCall(target(semantics), [xid], { semantics, startedAt: 0, deadline: 1_000 }, end, (error) => {
      end();
      if (!(error instanceof RpcError)) this.error = error;
    });
  }

  startAll(engine: { start(call: ClientCall): void }): void {
    for (let i = 1; i <= callCount; i++) engine.start(this.call(i % 2 === 0 ? "at-least-once" : "at-most-once", i));
  }

  /** Every call has ended once, and nothing is left. */
  check(stats: { pending: number; queued: number; queuedBytes: number }): string | undefined {
    const { pending, queued, queuedBytes } = stats;
    if (this.error !== undefined) return `a call ended with ${String(this.error)}, which is no RpcError`;
    const counts = this.counts.filter((count) => count !== 1);
    if (counts.length > 0) return `calls have ended ${counts.join(", ")} times`;
    if (pending > 0 || queued > 0) return `${pending} calls are pending, ${queued} queued`;
    if (queuedBytes !== 0) return `${queuedBytes} bytes are counted as queued`;
    return undefined;
  }
}

/** For each of the calls an RpcError with its stack, message and time-line. */
const allowance = 6_144 * callCount;

const clientStream: Target = {
  name: "client-stream",
  share: 4,
  allowance,
  make(random, large) {
    const whole = records(random, some(random, replyCorpus, large));
    const bytes = damageBytes(random, whole, random.pick(replyCorpus));
    const chunks = chunksOf(random, bytes);
    return {
      size: bytes.length,
      prepare() {
        const engine = new StreamClientEngine({ auth: clientAuthNone(), firstXid: 1, peer: "fuzz:", ...limits });
        const link = engine.opened(0);
        const ends = new Ends();
        ends.startAll(engine);
        link.outbox.take()?.written();
        return {
          work() {
            try {
              for (const chunk of chunks) engine.data(link, chunk, 1);
              engine.tick(2);
            } catch (error) {
              if (!(error instanceof RecordError)) throw error;
            }
            engine.lost(link, undefined, 3);
            engine.tick(1_000);
          },
          check: () => ends.check(engine.stats),
        };
      },
    };
  },
};

const clientDatagram: Target = {
  name: "client-datagram",
  share: 3,
  allowance,
  make(random, large) {
    const datagrams = Array.from({ length: large ? 200 : 1 + random.below(3) }, () =>
      damageBytes(random, random.pick(replyCorpus), random.pick(replyCorpus)),
    );
    return {
      size: datagrams.reduce((sum, { length }) => sum + length, 0),
      prepare() {
        const engine = new DatagramClientEngine({ auth: clientAuthNone(), firstXid: 1, peer: "fuzz:" });
        const ends = new Ends();
        ends.startAll(engine);
        return {
          work() {
            for (const datagram of datagrams) engine.datagram(datagram, 1);
            engine.tick(500);
            engine.refused(new Error("refused"), 600);
            engine.tick(1_000);
          },
          check: () => ends.check(engine.stats),
        };
      },
    };
  },
};

export const clientTargets: readonly Target[] = [clientStream, clientDatagram];
