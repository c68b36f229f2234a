import type { Shape } from "../../model/index.js";
import type { AuthSysParams } from "../../onc/auth/index.js";
import type { Refusal, Target } from "../../onc/message.js";

// What a tracer sees on one connection, as data: the decoder makes these, the printers show them.

/** Which way bytes pass. Calls usually go to the server; a server may call back over the same connection. */
export type Direction = "to-server" | "to-client";

/** A decoded value, and how it is shown. */
export interface Shown {
  readonly shape: Shape;
  readonly value: unknown;
}

/** Who calls, as the credential says. */
export interface Credential {
  readonly flavor: number;
  /** Present for AUTH_SYS that can be read. */
  readonly sys?: AuthSysParams | undefined;
}

/** Names of what is called, as far as an interface is known. */
export interface TargetNames {
  readonly program?: string | undefined;
  readonly procedure?: string | undefined;
}

/** Which call of its session a call is: that stays the same however often it is sent. */
export interface SessionPlace {
  readonly lane: number;
  readonly sequence: number;
}

interface Message {
  readonly direction: Direction;
  /** Milliseconds since 1970, with fractions. */
  readonly at: number;
  /** The message, without record marks. */
  readonly bytes: Uint8Array;
}

export interface CallEvent extends Message {
  readonly kind: "call";
  readonly xid: number;
  readonly target: Target;
  readonly names: TargetNames;
  /** Its place, for a call that is made in a session of farcall's: the rest tells of the call inside. */
  readonly session: SessionPlace | undefined;
  readonly credential: Credential;
  /** The arguments; undefined when the procedure is not known, or what was sent is not what it takes. */
  readonly args: readonly Shown[] | undefined;
  /** Bytes of the arguments. */
  readonly size: number;
  /** What is wrong with the arguments. */
  readonly problem: string | undefined;
  /** A call with this xid is still without an answer: sent again, most likely. */
  readonly again: boolean;
}

export interface ReplyEvent extends Message {
  readonly kind: "reply";
  readonly xid: number;
  /** The call that it answers; undefined when none was seen. */
  readonly call:
    | {
        readonly target: Target | undefined;
        readonly names: TargetNames;
        readonly session: SessionPlace | undefined;
      }
    | undefined;
  /** Milliseconds since the call. */
  readonly elapsedMs: number | undefined;
  /** Why there is no result; undefined for success. */
  readonly refusal: Refusal | undefined;
  /** The result; undefined as for arguments. What a session says instead of one is in its place. */
  readonly result: Shown | undefined;
  /** Bytes of the result. */
  readonly size: number;
  readonly problem: string | undefined;
}

/** A message that is neither a call nor a reply of RFC 5531. */
export interface MalformedEvent extends Message {
  readonly kind: "malformed";
  readonly xid: number | undefined;
  readonly problem: string;
}

/** Nothing more of this connection is decoded; its bytes still pass. */
export interface StoppedEvent {
  readonly kind: "stopped";
  readonly direction: Direction;
  readonly at: number;
  readonly problem: string;
}

export type TraceEvent = CallEvent | ReplyEvent | MalformedEvent | StoppedEvent;
