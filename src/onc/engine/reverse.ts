import { XdrReader } from "../../xdr/index.js";
import { CallHeader, MessageType, rpcVersion, writeRefusal } from "../message.js";
import type { Outbox } from "./outbox.js";

// Messages that go the other way over a client's connection: calls that the server makes, and the client's answers. Both
// directions are told apart by the type of each message (RFC 5531, section 9), so each has xids of its own.

/** Takes the answers to calls that a server makes over the connections of its clients. */
export interface CallingBack {
  /** How many of its calls wait for an answer. */
  readonly waiting: number;
  /** Takes a message that is no call. */
  reply(buffer: Uint8Array, start: number, end: number): void;
}

/** Whether a message is a call, as far as its second word says. */
export function isCall(buffer: Uint8Array, start: number, end: number): boolean {
  return end - start >= 8 && typeOf(buffer, start) === MessageType.CALL;
}

export function isReply(buffer: Uint8Array, start: number, end: number): boolean {
  return end - start >= 8 && typeOf(buffer, start) === MessageType.REPLY;
}

function typeOf(buffer: Uint8Array, start: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [buffer[start + 4], buffer[start + 5], buffer[start + 6], buffer[start + 7]];
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

/** Bytes of refusals that wait to be sent, from which on a server that calls a client without callbacks gets no more. */
const refusalBytesMax = 65_536;

const reader = new XdrReader();
const header = new CallHeader();

/** Answers a call that came to a client without callbacks: it serves no program. What is no call is dropped. */
export function refuseCall(outbox: Outbox, buffer: Uint8Array, start: number, end: number): void {
  if (outbox.size >= refusalBytesMax) return;
  reader.reset(buffer, start, end);
  const outcome = header.read(reader);
  if (outcome === "not-a-call") return;
  const at = outbox.size;
  const mismatch = { stat: "RPC_MISMATCH", low: rpcVersion, high: rpcVersion } as const;
  writeRefusal(outbox.begin(), header.xid, outcome === "rpc-mismatch" ? mismatch : { stat: "PROG_UNAVAIL" });
  outbox.commit(at);
}

/** Answers a call that there is no room for. */
export function refuseBusy(outbox: Outbox, buffer: Uint8Array, start: number, end: number): void {
  if (outbox.size >= refusalBytesMax) return;
  reader.reset(buffer, start, end);
  if (header.read(reader) === "not-a-call") return;
  const at = outbox.size;
  writeRefusal(outbox.begin(), header.xid, { stat: "SYSTEM_ERR" });
  outbox.commit(at);
}
