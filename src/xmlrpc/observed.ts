import { ServerRecord } from "../call/steps.js";
import type { Clock } from "../drive/clock.js";
import type { ProcedureNames } from "../observe/events.js";
import { type ServerCallResult, ServerCallWatch, serverCallsObserved } from "../observe/server.js";
import type { ServedMethod, ServerCall } from "./engine/index.js";
import { xmlRpc } from "./protocol.js";

/** Calls a handler, and tells those who watch. */
export function invokeObserved(
  method: ServedMethod,
  args: readonly unknown[],
  call: ServerCall,
  explain: ((call: ServerCallResult) => void) | undefined,
  clock: Clock,
): unknown {
  if (explain === undefined && !serverCallsObserved()) return method.invoke(args, call);
  const record = new ServerRecord(() => clock.now(), call.arrivedAt);
  const watch = new ServerCallWatch(namesOf(method), call.caller, undefined, call.traceparent);
  call.record = record;
  call.onEnd = (failure) => {
    // Whether a transaction was rolled back is not known here.
    if (failure !== undefined) {
      watch.fail(failure.error, call.transaction === undefined ? failure.executed : "unknown");
    }
    watch.end(record, explain);
  };
  watch.start();
  call.traceparent = watch.traceparent;
  record.enter("execute");
  const { run } = watch;
  return run === undefined ? method.invoke(args, call) : run(() => method.invoke(args, call));
}

/** A procedure for those who watch. A method without a contract goes by its own name. */
function namesOf({ procedure, label, key, name }: ServedMethod): ProcedureNames {
  const service = procedure === undefined ? undefined : label.slice(0, -key.length - 1);
  return { protocol: xmlRpc.name, service, procedure: procedure === undefined ? name : key, numbers: undefined };
}
