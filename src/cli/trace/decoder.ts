import { type AuthSysParams, xdrAuthSysParams } from "../../onc/auth/sys.js";
import { AuthFlavor, CallHeader, MessageType, type OpaqueAuth, ReplyHeader, type Target } from "../../onc/message.js";
import { RecordError, RecordReader } from "../../onc/record.js";
import { decode, XdrReader } from "../../xdr/index.js";
import type { Catalogue, KnownProcedure } from "./catalogue.js";
import type {
  CallEvent,
  Credential,
  Direction,
  MalformedEvent,
  ReplyEvent,
  SessionPlace,
  TargetNames,
  TraceEvent,
} from "./events.js";
import { innerCallOf, innerResultOf, outcomeCodec } from "./session-program.js";

// What passes on one connection, in both directions, as events. No socket and no clock: bytes and the time go in. It
// never throws for what a peer sends, and what it keeps is bounded: an unfinished record for each direction, and the
// calls without an answer.

/** Most calls without an answer that are remembered for each direction; the oldest is forgotten, since it may never get one. */
export const pendingCallsMax = 4_096;

export interface DecoderLimits {
  /** Most bytes of a record that is decoded; default 16 MiB, as farcall's own clients and servers take. */
  readonly recordSizeMax?: number | undefined;
  readonly pendingCallsMax?: number | undefined;
}

interface PendingCall {
  readonly at: number;
  /** Undefined for a call whose header is malformed before it says what it is for. */
  readonly target: Target | undefined;
  readonly names: TargetNames;
  readonly procedure: KnownProcedure | undefined;
  readonly flavor: number;
  /** Its place in a session; the target is that of the call inside. */
  readonly session: SessionPlace | undefined;
}

export class ConnectionDecoder {
  readonly #catalogue: Catalogue;
  readonly #pendingMax: number;
  readonly #records: Readonly<Record<Direction, RecordReader>>;
  /** Calls without an answer, oldest first, by the direction that they went in. */
  readonly #pending = { "to-server": new Map<number, PendingCall>(), "to-client": new Map<number, PendingCall>() };
  readonly #reader = new XdrReader();
  readonly #callHeader = new CallHeader();
  readonly #replyHeader = new ReplyHeader();
  #begun = false;
  #stopped = false;

  constructor(catalogue: Catalogue, limits: DecoderLimits = {}) {
    this.#catalogue = catalogue;
    this.#pendingMax = limits.pendingCallsMax ?? pendingCallsMax;
    this.#records = { "to-server": new RecordReader(limits), "to-client": new RecordReader(limits) };
  }

  /** Bytes kept of unfinished records. */
  get held(): number {
    return this.#stopped ? 0 : this.#records["to-server"].held + this.#records["to-client"].held;
  }

  /** Calls that no answer was seen for, and that are remembered. */
  get unanswered(): number {
    return this.#pending["to-server"].size + this.#pending["to-client"].size;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Takes the next bytes of a stream. They must not change afterwards. */
  *stream(direction: Direction, chunk: Uint8Array, at: number): Generator<TraceEvent> {
    if (this.#stopped) return;
    const looksLikeTls = !this.#begun && chunk[0] === 0x16 && (chunk[1] ?? 3) === 3;
    this.#begun = true;
    const records = this.#records[direction];
    try {
      records.push(chunk);
      while (records.next()) {
        const { buffer, start, end } = records;
        yield this.#message(direction, buffer.subarray(start, end), at);
        if (this.#stopped) {
          yield this.stop(direction, "TLS begins (RFC 9289)", at);
          return;
        }
      }
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      yield this.stop(direction, looksLikeTls ? "this is TLS, and not ONC RPC in clear text" : error.message, at);
    }
  }

  /** Takes a datagram. */
  datagram(direction: Direction, bytes: Uint8Array, at: number): TraceEvent {
    return this.#message(direction, bytes, at);
  }

  /** Decodes nothing from now on, and lets go of all that is kept. */
  stop(direction: Direction, problem: string, at: number): TraceEvent {
    this.#stopped = true;
    for (const map of Object.values(this.#pending)) map.clear();
    return { kind: "stopped", direction, at, problem };
  }

  #message(direction: Direction, bytes: Uint8Array, at: number): TraceEvent {
    if (bytes.length < 8) {
      const problem = `${bytes.length} bytes are no message: it has an xid and a type`;
      return { kind: "malformed", direction, at, bytes, xid: undefined, problem };
    }
    const r = this.#reader;
    r.reset(bytes);
    const xid = r.uint();
    const type = r.uint();
    r.reset(bytes);
    if (type === MessageType.CALL) return this.#call(direction, bytes, at, r);
    if (type === MessageType.REPLY) return this.#reply(direction, bytes, at, r);
    const problem = `message type ${type} is neither CALL nor REPLY`;
    return { kind: "malformed", direction, at, bytes, xid, problem };
  }

  #call(direction: Direction, bytes: Uint8Array, at: number, r: XdrReader): CallEvent | MalformedEvent {
    const header = this.#callHeader;
    const outcome = header.read(r);
    const { xid, program, version, procedure } = header;
    if (outcome !== "call") {
      // It may be answered all the same: with RPC_MISMATCH, AUTH_BADCRED or AUTH_BADVERF.
      const target = outcome.startsWith("bad-") ? { program, version, procedure } : undefined;
      const names = target === undefined ? {} : this.#catalogue.find(target).names;
      const unknown = { procedure: undefined, flavor: AuthFlavor.AUTH_NONE, session: undefined };
      this.#remember(direction, xid, { at, target, names, ...unknown });
      const problems = {
        "not-a-call": "the call ends within its header",
        "rpc-mismatch": "the call is of another version of RPC than 2",
        "bad-credential": "the credential is malformed, or longer than 400 bytes",
        "bad-verifier": "the verifier is malformed, or longer than 400 bytes",
      };
      return { kind: "malformed", direction, at, bytes, xid, problem: problems[outcome] };
    }
    const { flavor } = header.credential;
    const outer = { program, version, procedure };
    const given = bytes.subarray(r.position);
    const inner = isSealed(flavor) ? undefined : innerCallOf(outer, given);
    const target = inner?.target ?? outer;
    const session = inner?.place;
    const found = this.#catalogue.find(target);
    const again = this.#remember(direction, xid, { at, target, flavor, session, ...found });
    const encoded = inner?.args ?? given;
    const { args, problem } = isSealed(flavor) ? sealed : decodeArgs(found.procedure, encoded);
    const size = encoded.length;
    const credential = credentialOf(header.credential);
    const { names } = found;
    return { kind: "call", direction, at, bytes, xid, target, names, session, credential, args, size, problem, again };
  }

  #reply(direction: Direction, bytes: Uint8Array, at: number, r: XdrReader): ReplyEvent | MalformedEvent {
    const header = this.#replyHeader;
    header.readXid(r);
    const { xid } = header;
    const pending = this.#pending[direction === "to-client" ? "to-server" : "to-client"];
    const call = pending.get(xid);
    try {
      header.readBody(r);
    } catch (error) {
      return { kind: "malformed", direction, at, bytes, xid, problem: messageOf(error) };
    }
    pending.delete(xid);
    const { refusal } = header;
    const given = bytes.subarray(r.position);
    const opaque = refusal !== undefined || call === undefined || isSealed(call.flavor);
    const inner = opaque || call.session === undefined ? given : innerResultOf(given);
    const size = (inner ?? given).length;
    const { result, problem } = opaque
      ? sealed
      : inner === undefined
        ? decodeResult({ result: outcomeCodec }, given)
        : decodeResult(call.procedure, inner);
    if (refusal === undefined && call?.flavor === AuthFlavor.AUTH_TLS) this.#stopped = saysStartTls(header.verifier);
    const elapsedMs = call === undefined ? undefined : at - call.at;
    return { kind: "reply", direction, at, bytes, xid, call, elapsedMs, refusal, result, size, problem };
  }

  /** @returns whether the call was pending already; the time then counts from the first */
  #remember(direction: Direction, xid: number, call: PendingCall): boolean {
    const pending = this.#pending[direction];
    if (isSameTarget(pending.get(xid)?.target, call.target)) return true;
    // An xid that is used again begins a new life, at the end of the queue.
    pending.delete(xid);
    if (pending.size >= this.#pendingMax) pending.delete(pending.keys().next().value as number);
    pending.set(xid, call);
    return false;
  }
}

function isSameTarget(a: Target | undefined, b: Target | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return a.program === b.program && a.version === b.version && a.procedure === b.procedure;
}

/** What is not decoded: RPCSEC_GSS wraps arguments and results (RFC 2203, section 5.3), and what is unknown has no types. */
const sealed = { args: undefined, result: undefined, problem: undefined };

function isSealed(flavor: number): boolean {
  return flavor === AuthFlavor.RPCSEC_GSS;
}

function decodeArgs(procedure: KnownProcedure | undefined, bytes: Uint8Array): Pick<CallEvent, "args" | "problem"> {
  if (procedure === undefined) return sealed;
  try {
    const values = decode(procedure.args, bytes);
    return { args: procedure.argShapes.map((shape, i) => ({ shape, value: values[i] })), problem: undefined };
  } catch (error) {
    return { args: undefined, problem: messageOf(error) };
  }
}

function decodeResult(
  procedure: Pick<KnownProcedure, "result"> | undefined,
  bytes: Uint8Array,
): Pick<ReplyEvent, "result" | "problem"> {
  if (procedure === undefined) return sealed;
  const { result } = procedure;
  try {
    return { result: { shape: result.shape, value: decode(result, bytes) }, problem: undefined };
  } catch (error) {
    return { result: undefined, problem: messageOf(error) };
  }
}

function credentialOf({ flavor, body }: OpaqueAuth): Credential {
  if (flavor !== AuthFlavor.AUTH_SYS) return { flavor };
  let sys: AuthSysParams | undefined;
  try {
    sys = decode(xdrAuthSysParams, body);
  } catch {
    // The server's matter: it says AUTH_BADCRED.
  }
  return { flavor, sys };
}

function saysStartTls({ body }: OpaqueAuth): boolean {
  return String.fromCharCode(...body) === "STARTTLS";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
