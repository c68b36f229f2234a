// The server's engine against hostile clients: whatever they send, each call is answered as the protocol has it, and
// nothing goes on running.
import type { Machine } from "../../../src/drive/machine.js";
import { argsCodec } from "../../../src/onc/args.js";
import { serverAuthNone, serverAuthSys } from "../../../src/onc/auth/index.js";
import {
  DatagramServer,
  type Outgoing,
  type ServerCall,
  ServerEngine,
  type ServerHost,
  StreamServerLink,
} from "../../../src/onc/engine/index.js";
import { RecordError } from "../../../src/onc/record.js";
import { ReplyCache } from "../../../src/onc/reply-cache.js";
import {
  type Guarantee,
  SESSION_PROGRAM,
  SESSION_VERSION,
  xdrAckArgs,
  xdrCallHead,
  xdrCancelArgs,
  xdrOpenArgs,
  xdrStatusArgs,
} from "../../../src/onc/session/session.js";
import { Sessions, sessionProgram } from "../../../src/onc/sessions.js";
import { encode, uint, XdrReader } from "../../../src/xdr/index.js";
import { callMessage, fromHex, opaqueHex, toHex, words } from "../../support/raw-messages.js";
import { items, tree } from "../../xdr/types.js";
import { damageBytes, join } from "../random.js";
import { chunksOf, corpusRandom, limits, records, some, type Target, type Task } from "../target.js";
import { encodedOf } from "../values.js";
import { program, reply } from "./messages.js";

const served = {
  name: "FUZZ",
  program,
  version: 1,
  procedures: new Map([
    [0, { number: 0, name: "NULL", args: argsCodec([]), result: uint }],
    [1, { number: 1, name: "get", args: argsCodec([reply]), result: reply }],
    [2, { number: 2, name: "two", args: argsCodec([tree, items]), result: uint }],
  ]),
};

/** What is encoded behind the header: the procedure and its arguments. */
const plainCalls = Array.from({ length: 48 }, (_, i): readonly [procedure: number, args: string] => {
  if (i % 3 === 0) return [0, ""];
  if (i % 3 === 1) return [1, toHex(encodedOf(corpusRandom, reply))];
  return [2, toHex(encodedOf(corpusRandom, tree)) + toHex(encodedOf(corpusRandom, items))];
});
const sys = words(1) + opaqueHex(fromHex(`${words(1, 4)}61626364${words(0, 0, 2, 1, 2)}`));
const plainCorpus = plainCalls.map(([procedure, args], xid) =>
  callMessage({ xid, program, version: 1, procedure, args, ...(xid % 2 === 0 ? { credential: sys } : {}) }),
);

/** A machine whose bytes are counted, not random: the first session has the same id in every engine. */
function machine(): Machine {
  let count = 0;
  return {
    clock: { now: () => 0, alarm: () => ({ set() {}, keepAlive() {}, clear() {} }), soon() {} },
    random: () => 0,
    randomBytes(size) {
      const bytes = new Uint8Array(size);
      new DataView(bytes.buffer).setUint32(0, ++count);
      return bytes;
    },
  };
}

/** An engine with a reply cache, and one session of a caller without a name. */
function serverEngine(): { readonly engine: ServerEngine; readonly session: Uint8Array } {
  const here = machine();
  const replyCache = new ReplyCache({ streams: true }, here);
  const sessions = new Sessions({}, replyCache, here);
  const host: { -readonly [K in keyof ServerHost]: ServerHost[K] } = {
    dispatch(call) {
      const { target, args } = call;
      if (call.served === served) return engine.succeed(call, target.number === 1 ? args[0] : 1);
      const handler = (sessions.handlers as Record<string, ((args: unknown, call: ServerCall) => unknown) | undefined>)[
        target.name
      ];
      engine.succeed(call, handler?.(args[0], call));
    },
    report(error) {
      throw error;
    },
    answered() {},
    newAborter: () => new AbortController(),
    now: here.clock.now,
    watch: (call) => sessions.watch(call),
    unwatch: (call) => sessions.unwatch(call),
  };
  const flavors = [serverAuthNone, ...serverAuthSys({ shortHandles: 4, randomBytes: here.randomBytes })];
  const engine = new ServerEngine(host, flavors, replyCache.filter, sessions.table);
  engine.serve(served);
  engine.serve(sessionProgram);
  host.replies = replyCache.requests(engine, () => {});
  const opened = sessions.table.open(
    "none",
    { client: "", incarnation: new Uint8Array(16), fifo: false },
    undefined,
    0,
  );
  return { engine, session: opened?.id ?? new Uint8Array(20) };
}

const { session } = serverEngine();

/** Calls of the session program: those that travel in CALL, and the others. */
const sessionCorpus = plainCalls.map(([procedure, args], xid) => {
  const call = (number: number, hex: string): Uint8Array =>
    callMessage({ xid, program: SESSION_PROGRAM, version: SESSION_VERSION, procedure: number, args: hex });
  const number = { lane: xid % 3, sequence: 1 + (xid % 5) };
  const client = xid % 2 === 0 ? "" : "fuzz";
  switch (xid % 8) {
    case 0:
      return call(1, toHex(encode(xdrOpenArgs, { client, incarnation: new Uint8Array(16), fifo: xid % 3 === 0 })));
    case 1:
      return call(3, toHex(encode(xdrCancelArgs, { session, number })));
    case 2:
      return call(4, toHex(encode(xdrAckArgs, { session, acknowledged: [number] })));
    case 3:
      return call(5, toHex(encode(xdrStatusArgs, { session, store: "", number, fence: xid % 2 === 0 })));
    default: {
      const head = {
        session,
        number,
        acknowledged: xid % 2,
        remaining: 1_000,
        promised: (xid % 3) as Guarantee,
        flags: xid % 2,
        traceparent: xid % 4 === 0 ? "" : `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01`,
        program,
        version: 1,
        procedure,
      };
      return call(2, toHex(encode(xdrCallHead, head)) + opaqueHex(fromHex(args)));
    }
  }
});

/** A reply is one of those that RFC 5531 knows. */
function badReply(bytes: Uint8Array): string | undefined {
  const r = new XdrReader(bytes);
  r.uint();
  const [type, stat] = [r.uint(), r.uint()];
  if (type === 1 && stat <= 1 && bytes.length % 4 === 0) return undefined;
  return `the server's reply is none: ${toHex(bytes)}`;
}

/** For a call that is not one: the error of its decoder with a stack. For one that is: the call, its key and the reply. */
const perCall = 10_240;

function streams(name: string, corpus: readonly Uint8Array[]): Target {
  return {
    name,
    share: 3,
    allowance: 3 * perCall,
    make(random, large) {
      const whole = records(random, some(random, corpus, large));
      const bytes = damageBytes(random, whole, random.pick(corpus));
      const chunks = chunksOf(random, bytes);
      return { size: bytes.length, prepare: () => serving(chunks, bytes.length) };
    },
  };
}

function serving(chunks: readonly Uint8Array[], size: number): Task {
  const { engine } = serverEngine();
  const link = new StreamServerLink(engine, "fuzz:", limits);
  const sent: Outgoing[] = [];
  let kept = 0;
  const take = (): void => {
    const batch = link.replies.take();
    if (batch !== undefined) sent.push(batch);
  };
  return {
    work() {
      try {
        for (const chunk of chunks) {
          link.push(chunk);
          while (link.pump()) take();
          take();
          kept = Math.max(kept, link.unread);
        }
      } catch (error) {
        if (!(error instanceof RecordError) && !/no call/.test(String(error))) throw error;
      }
      take();
    },
    check() {
      if (kept > size) return `${kept} bytes are kept of ${size}`;
      if (engine.running !== 0 || engine.runningBytes !== 0) return `${engine.running} calls still run`;
      const all = join(...sent.map(({ bytes }) => bytes));
      for (const { written } of sent) written();
      for (let at = 0; at < all.length; ) {
        const length = new DataView(all.buffer).getUint32(at) & 0x7fff_ffff;
        const bad = badReply(all.subarray(at + 4, at + 4 + length));
        if (bad !== undefined) return bad;
        at += 4 + length;
      }
      return undefined;
    },
  };
}

function datagrams(name: string, corpus: readonly Uint8Array[]): Target {
  return {
    name,
    share: 2,
    allowance: perCall,
    make(random, large) {
      const all = Array.from({ length: large ? 100 : 1 }, () =>
        damageBytes(random, random.pick(corpus), random.pick(corpus)),
      );
      return {
        size: all.reduce((sum, { length }) => sum + length, 0),
        prepare() {
          const { engine } = serverEngine();
          const side = new DatagramServer(engine, {});
          const sent: Uint8Array[] = [];
          return {
            work() {
              for (const bytes of all) side.receive(bytes, "fuzz:", (reply) => sent.push(reply));
            },
            check() {
              if (sent.length > all.length) return `${all.length} datagrams were answered ${sent.length} times`;
              if (engine.running !== 0 || side.links.size > 0) return `${engine.running} calls still run`;
              return sent.map(badReply).find((bad) => bad !== undefined);
            },
          };
        },
      };
    },
  };
}

export const serverTargets: readonly Target[] = [
  streams("server-stream", plainCorpus),
  streams("server-session", sessionCorpus),
  datagrams("server-datagram", plainCorpus),
  datagrams("session-datagram", sessionCorpus),
];
