export { DatagramAdmission, hostOf, Running, StreamAdmission } from "./admission.js";
export { BroadcastCall } from "./broadcast.js";
export { type CallLife, type CallTarget, ClientCall, nullTarget } from "./client-call.js";
export type { ClientEngineOptions } from "./client-engine.js";
export {
  DatagramClientEngine,
  type DatagramClientOptions,
} from "./datagram-client.js";
export {
  DatagramServer,
  type DatagramServerLimits,
  DatagramServerLink,
  type DatagramServerOptions,
} from "./datagram-server.js";
export type { DuplicateCounts, DuplicateFilter, DuplicateFilterOptions } from "./duplicate-filter.js";
export type { OnceCalls } from "./once-calls.js";
export type { Outbox, Outgoing } from "./outbox.js";
export { type CallingBack, refuseBusy } from "./reverse.js";
export {
  type Aborter,
  CallRefused,
  type DeferredAnswer,
  type ReplyPath,
  type ReplyRequests,
  type ServedProcedure,
  type ServedVersion,
  ServerCall,
  type ServerHost,
  type ServerLink,
  type ServerRefusal,
} from "./server-call.js";
export { ServerEngine } from "./server-engine.js";
export { principalOf } from "./session-call.js";
export { SessionClient, type SessionClientOptions } from "./session-client.js";
export {
  StreamClientEngine,
  type StreamClientOptions,
  StreamLink,
} from "./stream-client.js";
export { type StreamServerLimits, StreamServerLink } from "./stream-server.js";
