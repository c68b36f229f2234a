// What is fuzzed: for each target how an input is made, and what must hold for any input at all.

import { NfsV3 } from "../../examples/nfs-server/nfs.js";
import { portOfUniversalAddress } from "../../src/binder/rpcbind/uaddr.js";
import { compile } from "../../src/idl/index.js";
import { DecodeError, RpcError, type Semantics } from "../../src/model/index.js";
import { parseAddress } from "../../src/net/address.js";
import { argsCodec } from "../../src/onc/args.js";
import { clientAuthNone, serverAuthNone, serverAuthSys } from "../../src/onc/auth/index.js";
import {
  type CallTarget,
  ClientCall,
  DatagramClientEngine,
  DatagramServer,
  ServerEngine,
  type ServerHost,
  StreamClientEngine,
  StreamServerLink,
} from "../../src/onc/engine/index.js";
import { RecordError, RecordReader } from "../../src/onc/record.js";
import {
  decode,
  encode,
  explainDecode,
  opaque,
  string,
  struct,
  uint,
  type XdrCodec,
  XdrReader,
} from "../../src/xdr/index.js";
import { callMessage, fragment, fromHex, opaqueHex, toHex, words } from "../support/raw-messages.js";
import { byBool, byEnum, byInt, items, node, texts, tree } from "../xdr/types.js";
import { damageBytes, damageText, join, Random } from "./random.js";
import { sources } from "./sources.js";
import type { Target } from "./target.js";
import { encodedOf, hasFloat, weightOf } from "./values.js";
import { xmlRpc } from "./xml-rpc.js";

const corpusRandom = new Random(1, 0, 0);
const corpusOf = (codec: XdrCodec<unknown>): Uint8Array[] =>
  Array.from({ length: 24 }, () => encodedOf(corpusRandom, codec));

// --- decoders

function decoders(name: string, share: number, codecs: readonly XdrCodec<unknown>[]): Target {
  const corpora = codecs.map((codec) => ({ codec, corpus: corpusOf(codec) }));
  const floats = new Set(codecs.filter(({ shape }) => hasFloat(shape)));
  // What can be long at its end is; the rest stays as it is.
  const longer = codecs.map((codec) => ({ codec, corpus: [encodedOf(corpusRandom, codec, 500)] }));
  return {
    name,
    share,
    allowance: 16_384,
    make(random, large) {
      const { codec, corpus } = random.pick(large ? longer : corpora);
      const bytes = damageBytes(random, random.pick(corpus), random.pick(random.pick(corpora).corpus));
      return { size: bytes.length, run: () => decodes(codec, floats.has(codec), bytes) };
    },
  };
}

/** A value that takes no more memory than it should and is written as it came; or a DecodeError that can be explained. */
function decodes(codec: XdrCodec<unknown>, hasFloats: boolean, bytes: Uint8Array): string | undefined {
  let value: unknown;
  try {
    value = decode(codec, bytes);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    explainDecode(error, codec.shape, bytes, 0, bytes.length);
    return undefined;
  }
  const weight = weightOf(value);
  if (weight > 32 * bytes.length + 256) return `${bytes.length} bytes became a value of some ${weight}`;
  const again = encode(codec, value);
  // One value, one encoding; but a NaN has many, and JavaScript keeps only one of them.
  const same = again.length === bytes.length && (hasFloats || Buffer.compare(again, bytes) === 0);
  return same ? undefined : `the value of ${toHex(bytes)} is written as ${toHex(again)}`;
}

const nfsCodecs = Object.values(
  NfsV3.procedures as Record<string, { args: readonly XdrCodec<unknown>[]; result: XdrCodec<unknown> }>,
).flatMap(({ args, result }) => [...args, result]);

// --- record marking

const messages = Array.from({ length: 24 }, (_, i) =>
  Uint8Array.from({ length: 4 * i }, () => corpusRandom.below(256)),
);

/** Three messages, or many. */
function some(random: Random, corpus: readonly Uint8Array[], large: boolean): Uint8Array[] {
  return Array.from({ length: large ? 200 : 3 }, () => random.pick(corpus));
}

/** Records of any fragments. */
function records(random: Random, pieces: readonly Uint8Array[]): Uint8Array {
  return join(
    ...pieces.flatMap((message) => {
      const cut = random.below(3) === 0 ? random.below(message.length + 1) : 0;
      return cut === 0
        ? [fragment(message, true)]
        : [fragment(message.subarray(0, cut), false), fragment(message.subarray(cut), true)];
    }),
  );
}

/** Cuts bytes into chunks, as a network may. */
function chunksOf(random: Random, bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = random.below(3) === 0 ? 1 + random.below(8) : bytes.length;
    chunks.push(bytes.slice(at, at + size));
    at += size;
  }
  return chunks;
}

const limits = { recordSizeMax: 65_536, fragmentsMax: 16 };

/** What record marking says that bytes are, read the simple way: RFC 5531, section 11. */
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

const recordMarking: Target = {
  name: "record-marking",
  share: 3,
  allowance: 32_768,
  make(random, large) {
    const whole = records(random, some(random, messages, large));
    const bytes = damageBytes(random, whole, random.pick(messages));
    const chunks = chunksOf(random, bytes);
    return {
      size: bytes.length,
      bare() {
        const reader = new RecordReader(limits);
        for (const chunk of chunks) {
          reader.push(chunk);
          while (reader.next());
        }
      },
      run() {
        const reader = new RecordReader(limits);
        const found: string[] = [];
        try {
          for (const chunk of chunks) {
            reader.push(chunk);
            while (reader.next()) found.push(toHex(reader.buffer.subarray(reader.start, reader.end)));
            if (reader.held > bytes.length) return `${reader.held} bytes are kept of ${bytes.length}`;
          }
        } catch (error) {
          if (!(error instanceof RecordError)) throw error;
          found.push("refused");
        }
        const wanted = recordsOf(bytes).join(" ");
        return found.join(" ") === wanted ? undefined : `read ${found.join(" ")}, expected ${wanted}`;
      },
    };
  },
};

// --- the client's engines

const reply = struct({ name: string(64), bytes: opaque(), items });
const target = (semantics: Semantics): CallTarget => ({
  name: "FUZZ.get",
  program: 0x20000f00,
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

  /** Every call has ended once, and nothing is left. */
  check({
    pending,
    queued,
    queuedBytes,
  }: {
    pending: number;
    queued: number;
    queuedBytes: number;
  }): string | undefined {
    if (this.error !== undefined) return `a call ended with ${String(this.error)}, which is no RpcError`;
    const counts = this.counts.filter((count) => count !== 1);
    if (counts.length > 0) return `calls have ended ${counts.join(", ")} times`;
    if (pending > 0 || queued > 0) return `${pending} calls are pending, ${queued} queued`;
    if (queuedBytes !== 0) return `${queuedBytes} bytes are counted as queued`;
    return undefined;
  }
}

const clientStream: Target = {
  name: "client-stream",
  share: 4,
  allowance: 65_536,
  make(random, large) {
    const whole = records(random, some(random, replyCorpus, large));
    const bytes = damageBytes(random, whole, random.pick(replyCorpus));
    const chunks = chunksOf(random, bytes);
    return {
      size: bytes.length,
      run() {
        const engine = new StreamClientEngine({ auth: clientAuthNone(), firstXid: 1, peer: "fuzz:", ...limits });
        const link = engine.opened(0);
        const ends = new Ends();
        for (let i = 1; i <= callCount; i++) engine.start(ends.call(i % 2 === 0 ? "at-least-once" : "at-most-once", i));
        link.outbox.take()?.written();
        try {
          for (const chunk of chunks) engine.data(link, chunk, 1);
          engine.tick(2);
        } catch (error) {
          if (!(error instanceof RecordError)) throw error;
        }
        engine.lost(link, undefined, 3);
        engine.tick(1_000);
        return ends.check(engine.stats);
      },
    };
  },
};

const clientDatagram: Target = {
  name: "client-datagram",
  share: 3,
  allowance: 65_536,
  make(random) {
    const datagrams = Array.from({ length: 1 + random.below(3) }, () =>
      damageBytes(random, random.pick(replyCorpus), random.pick(replyCorpus)),
    );
    return {
      size: datagrams.reduce((sum, { length }) => sum + length, 0),
      run() {
        const engine = new DatagramClientEngine({ auth: clientAuthNone(), firstXid: 1, peer: "fuzz:" });
        const ends = new Ends();
        for (let i = 1; i <= callCount; i++) engine.start(ends.call(i % 2 === 0 ? "at-least-once" : "at-most-once", i));
        for (const datagram of datagrams) engine.datagram(datagram, 1);
        engine.tick(500);
        engine.refused(new Error("refused"), 600);
        engine.tick(1_000);
        return ends.check(engine.stats);
      },
    };
  },
};

// --- the server's engine

const served = {
  name: "FUZZ",
  program: 0x20000f00,
  version: 1,
  procedures: new Map([
    [0, { number: 0, name: "NULL", args: argsCodec([]), result: uint }],
    [1, { number: 1, name: "get", args: argsCodec([reply]), result: reply }],
    [2, { number: 2, name: "two", args: argsCodec([tree, items]), result: uint }],
  ]),
};

const callCorpus: Uint8Array[] = Array.from({ length: 48 }, (_, i) => {
  const sys = words(1) + opaqueHex(fromHex(`${words(1, 4)}61626364${words(0, 0, 2, 1, 2)}`));
  const args = [
    ["", 0],
    [toHex(encodedOf(corpusRandom, reply)), 1],
    [toHex(encodedOf(corpusRandom, tree)) + toHex(encodedOf(corpusRandom, items)), 2],
  ] as const;
  const [hex, procedure] = args[i % 3] as readonly [string, number];
  return callMessage({
    xid: i,
    program: 0x20000f00,
    version: 1,
    procedure,
    args: hex,
    ...(i % 2 === 0 ? { credential: sys } : {}),
  });
});

function serverEngine(): ServerEngine {
  const host: ServerHost = {
    dispatch(call) {
      if (call.target.number === 1) engine.succeed(call, call.args[0]);
      else engine.succeed(call, 1);
    },
    report(error) {
      throw error;
    },
    answered() {},
    newAborter: () => new AbortController(),
    now: () => performance.now(),
    watch: () => {},
    unwatch: () => {},
  };
  const engine = new ServerEngine(host, [
    serverAuthNone,
    ...serverAuthSys({ shortHandles: 4, randomBytes: (size) => new Uint8Array(size) }),
  ]);
  engine.serve(served);
  return engine;
}

/** A reply is one of those that RFC 5531 knows. */
function badReply(bytes: Uint8Array): string | undefined {
  const r = new XdrReader(bytes);
  r.uint();
  const [type, stat] = [r.uint(), r.uint()];
  if (type === 1 && stat <= 1 && bytes.length % 4 === 0) return undefined;
  return `the server's reply is none: ${toHex(bytes)}`;
}

const serverStream: Target = {
  name: "server-stream",
  share: 4,
  allowance: 65_536,
  make(random, large) {
    const whole = records(random, some(random, callCorpus, large));
    const bytes = damageBytes(random, whole, random.pick(callCorpus));
    const chunks = chunksOf(random, bytes);
    return {
      size: bytes.length,
      run() {
        const engine = serverEngine();
        const link = new StreamServerLink(engine, "fuzz:", limits);
        const sent: Uint8Array[] = [];
        const take = (): void => {
          const batch = link.replies.take();
          if (batch === undefined) return;
          sent.push(batch.bytes.slice());
          batch.written();
        };
        try {
          for (const chunk of chunks) {
            link.push(chunk);
            while (link.pump()) take();
            take();
            if (link.unread > bytes.length) return `${link.unread} bytes are kept of ${bytes.length}`;
          }
        } catch (error) {
          if (!(error instanceof RecordError) && !/no call/.test(String(error))) throw error;
        }
        take();
        if (engine.running !== 0 || engine.runningBytes !== 0) return `${engine.running} calls still run`;
        const all = join(...sent);
        for (let at = 0; at < all.length; ) {
          const length = new DataView(all.buffer).getUint32(at) & 0x7fff_ffff;
          const bad = badReply(all.subarray(at + 4, at + 4 + length));
          if (bad !== undefined) return bad;
          at += 4 + length;
        }
        return undefined;
      },
    };
  },
};

const serverDatagram: Target = {
  name: "server-datagram",
  share: 3,
  allowance: 65_536,
  make(random) {
    const bytes = damageBytes(random, random.pick(callCorpus), random.pick(callCorpus));
    return {
      size: bytes.length,
      run() {
        let bad: string | undefined;
        let count = 0;
        new DatagramServer(serverEngine(), {}).receive(bytes, "fuzz:", (sent) => {
          count++;
          bad ??= badReply(sent);
        });
        return count > 1 ? `one datagram was answered ${count} times` : bad;
      },
    };
  },
};

// --- text

const pieces = [
  ..."{}()<>[];,*=:%#\n\"'\\",
  ...[
    "/*",
    "*/",
    "//",
    "\\\n",
    "-1",
    "0x",
    "0777",
    "99999999999999999999",
    "\0",
    "\ud800",
    "é",
    "__proto__",
    "constructor",
  ],
  ...[
    "struct ",
    "union ",
    "switch ",
    "case ",
    "default:",
    "enum ",
    "typedef ",
    "const ",
    "program ",
    "version ",
    "void ",
  ],
  ...[
    "string ",
    "opaque ",
    "unsigned ",
    "hyper ",
    "bool ",
    "#if ",
    "#else\n",
    "#endif\n",
    "#define A ",
    '#include "t.x"\n',
  ],
];

const compiler: Target = {
  name: "compiler",
  share: 0.5,
  // Every file begins with the names of the dialect, whatever else is in it.
  allowance: 1024 * 1024,
  make(random) {
    const text = damageText(random, random.pick(sources), random.pick(sources), pieces);
    const size = Buffer.byteLength(text);
    return {
      size,
      run() {
        const { code, diagnostics } = compile("t.x", text, { host: { readFile: () => undefined } });
        const failed = diagnostics.some(({ severity }) => severity === "error");
        if ((code === undefined) !== failed) return failed ? "code in spite of errors" : "neither code nor an error";
        if ((code?.length ?? 0) > 32 * size + 4_096) return `${size} bytes became ${code?.length} of code`;
        return undefined;
      },
    };
  },
};

const addressTexts = [
  "tcp://127.0.0.1:2049",
  "udp://[::1]:111",
  "tls://host.example:65535",
  "unix:/run/a.sock",
  "unix:///run/a.sock",
  "memory://a",
  "memory+datagram://name",
  "tcp://[fe80::1%eth0]/",
  "127.0.0.1.8.1",
  "::1.0.111",
  "h.255.255",
] as const;

const addresses: Target = {
  name: "addresses",
  share: 2,
  allowance: 16_384,
  make(random) {
    const more = [...pieces, ":", "/", "[", "]", "@", ".", "65536", "://"];
    const text = damageText(random, random.pick(addressTexts), random.pick(addressTexts), more);
    return {
      size: Buffer.byteLength(text),
      run() {
        const port = portOfUniversalAddress(text);
        if (port !== undefined && !(port >= 0 && port <= 0xffff)) return `${JSON.stringify(text)} has port ${port}`;
        try {
          const address = parseAddress(text);
          if ("port" in address && (address.port ?? 0) > 0xffff)
            return `${JSON.stringify(text)} has port ${address.port}`;
        } catch (error) {
          if (!(error instanceof RpcError) || error.code !== "invalid-argument") throw error;
        }
        return undefined;
      },
    };
  },
};

export const targets: readonly Target[] = [
  decoders("combinators", 5, [items, texts, byInt, byEnum, byBool, tree, node, reply]),
  decoders("stubs", 5, nfsCodecs),
  recordMarking,
  clientStream,
  clientDatagram,
  serverStream,
  serverDatagram,
  xmlRpc,
  compiler,
  addresses,
];

export type { Target };
