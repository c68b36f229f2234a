import { CallHeader, MessageType, ReplyHeader } from "../onc/message.js";
import { type OncService, proceduresOf } from "../onc/program.js";
import {
  CallFate,
  CallStatus,
  OpenStatus,
  SESSION_PROGRAM,
  SESSION_VERSION,
  type SessionId,
  xdrAckArgs,
  xdrCallHead,
  xdrCancelArgs,
  xdrOpenResult,
  xdrSessionId,
  xdrStatusArgs,
} from "../onc/session/session.js";
import { XdrReader } from "../xdr/index.js";

/** The session program's procedures, by number. */
const sessionProcedures = ["NULL", "OPEN", "CALL", "CANCEL", "ACK", "STATUS", "CLOSE"];

/** Says in a line what a message is. */
export class MessageReader {
  readonly #names = new Map<string, string>();
  readonly #call = new CallHeader();
  readonly #reply = new ReplyHeader();
  /** Which procedure of the session program was called, by xid: the reply does not say. */
  readonly #asked = new Map<number, string>();

  constructor(service: OncService<unknown>) {
    for (const [name, { number }] of proceduresOf(service)) {
      this.#names.set(keyOf(service.program, service.version, number), name);
    }
    for (const [number, name] of sessionProcedures.entries()) {
      this.#names.set(keyOf(SESSION_PROGRAM, SESSION_VERSION, number), name);
    }
  }

  describe(bytes: Uint8Array): string {
    if (bytes.length === 0) return "nothing";
    const r = new XdrReader(bytes);
    const type = bytes.length < 8 ? -1 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(4);
    let what = "no message";
    try {
      if (type === MessageType.CALL) what = this.#describeCall(r);
      else if (type === MessageType.REPLY && this.#reply.readXid(r)) what = this.#describeReply(r);
    } catch {
      // Cut short or destroyed: what could be read is not worth telling.
    }
    return `${what}, ${bytes.length} bytes`;
  }

  #describeCall(r: XdrReader): string {
    const outcome = this.#call.read(r);
    const { xid, program, version, procedure } = this.#call;
    const name = outcome === "call" ? this.#nameOf(program, version, procedure) : outcome;
    if (program !== SESSION_PROGRAM) return `CALL ${hex(xid)} ${name}`;
    this.#asked.set(xid, name);
    return `CALL ${hex(xid)} session ${name}${this.#sessionArgs(name, r)}`;
  }

  #sessionArgs(name: string, r: XdrReader): string {
    switch (name) {
      case "CALL": {
        const head = xdrCallHead.decode(r);
        const { session, number, acknowledged, program, version, procedure } = head;
        const inner = this.#nameOf(program, version, procedure);
        return ` ${placeOf(session, number)} ${inner}, acknowledged ${acknowledged}`;
      }
      case "STATUS": {
        const { session, number, fence } = xdrStatusArgs.decode(r);
        return ` ${placeOf(session, number)}${fence ? " with a fence" : ""}`;
      }
      case "CANCEL": {
        const { session, number } = xdrCancelArgs.decode(r);
        return ` ${placeOf(session, number)}`;
      }
      case "ACK": {
        const { session, acknowledged } = xdrAckArgs.decode(r);
        return ` ${acknowledged.map((number) => placeOf(session, number)).join(", ")}`;
      }
      case "CLOSE":
        return ` ${shortId(xdrSessionId.decode(r))}`;
      default:
        return "";
    }
  }

  #describeReply(r: XdrReader): string {
    this.#reply.readBody(r);
    const { xid, refusal } = this.#reply;
    const asked = this.#asked.get(xid);
    if (refusal !== undefined || asked === undefined) return `REPLY ${hex(xid)} ${refusal?.stat ?? "SUCCESS"}`;
    return `REPLY ${hex(xid)} ${sessionResult(asked, r)}`;
  }

  #nameOf(program: number, version: number, procedure: number): string {
    if (procedure === 0) return "NULL";
    return this.#names.get(keyOf(program, version, procedure)) ?? `procedure ${procedure}`;
  }
}

function sessionResult(asked: string, r: XdrReader): string {
  switch (asked) {
    case "OPEN": {
      const result = xdrOpenResult.decode(r);
      return result.status === OpenStatus.OPEN_OK ? `OPEN_OK ${shortId(result.ok.session)}` : "OPEN_BUSY";
    }
    case "CALL":
      return enumName(CallStatus, r.uint());
    case "STATUS":
      return enumName(CallFate, r.uint());
    default:
      return "SUCCESS";
  }
}

function enumName(members: Readonly<Record<string, number>>, value: number): string {
  return Object.entries(members).find(([, number]) => number === value)?.[0] ?? `status ${value}`;
}

function placeOf(session: SessionId, { lane, sequence }: { readonly lane: number; readonly sequence: number }): string {
  return `${shortId(session)}:${lane}.${sequence}`;
}

function shortId(session: SessionId): string {
  return Buffer.from(session.subarray(0, 2)).toString("hex");
}

function keyOf(program: number, version: number, procedure: number): string {
  return `${program}.${version}.${procedure}`;
}

function hex(xid: number): string {
  return xid.toString(16).padStart(8, "0");
}
