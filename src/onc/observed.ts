import { channelOf } from "../observe/channels.js";
import type { ClientCallStart, ProcedureNames } from "../observe/events.js";
import type { CallTarget, DatagramClientEngine, ServerCall, StreamClientEngine } from "./engine/index.js";
import { onc } from "./protocol.js";
import { CallStatus, SESSION_PROGRAM } from "./session/session.js";

const repeated = channelOf("farcall:client:retry");
const disconnected = channelOf("farcall:client:disconnect");

/** A procedure for those who watch. What is called by number has no names. */
export function namesOf(target: CallTarget): ProcedureNames {
  const known = clientNames.get(target);
  if (known !== undefined) return known;
  const { name, program, version, procedure } = target;
  const dot = name.lastIndexOf(".");
  const names: ProcedureNames = {
    protocol: onc.name,
    service: dot < 0 ? undefined : name.slice(0, dot),
    procedure: dot < 0 ? undefined : name.slice(dot + 1),
    numbers: { program, version, procedure },
  };
  clientNames.set(target, names);
  return names;
}

/** The procedure that a server was asked for. */
export function namesOfServed({ served, target }: ServerCall): ProcedureNames {
  const known = servedNames.get(target);
  if (known !== undefined) return known;
  const { name, program, version } = served;
  const numbers = { program, version, procedure: target.number };
  const names: ProcedureNames = { protocol: onc.name, service: name, procedure: target.name, numbers };
  // Procedure 0 is one object for all services.
  if (target.number !== 0) servedNames.set(target, names);
  return names;
}

// One target serves all calls of a procedure.
const clientNames = new WeakMap<CallTarget, ProcedureNames>();
const servedNames = new WeakMap<ServerCall["target"], ProcedureNames>();

/** The name of a refusal in a session, such as `CALL_BUSY`. */
export function callStatusName(status: CallStatus): string {
  return Object.entries(CallStatus).find(([, number]) => number === status)?.[0] ?? String(status);
}

/** Tells the channels what happens to an engine's calls between their start and their end. */
export function watchEngine(engine: StreamClientEngine | DatagramClientEngine): void {
  engine.onRepeat = (call, reason) => {
    // What sessions say to each other is not the user's.
    if (!repeated.hasSubscribers || call.target.program === SESSION_PROGRAM) return;
    repeated.publish({
      ...namesOf(call.target),
      address: engine.peer,
      transmission: call.transmissions + 1,
      reason,
      call: call.record?.subject as ClientCallStart | undefined,
    });
  };
  if (!("onLost" in engine)) return;
  engine.onLost = (error) => {
    if (disconnected.hasSubscribers) disconnected.publish({ protocol: onc.name, address: engine.peer, error });
  };
}
