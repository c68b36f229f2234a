export { type CallLife, type CallTarget, ClientCall } from "./client-call.js";
export { ClientEngine, type ClientEngineOptions, pendingCallsMax, queueBytesMax } from "./client-engine.js";
export {
  DatagramClientEngine,
  type DatagramClientOptions,
  datagramSizeMax,
  datagramWindow,
} from "./datagram-client.js";
export { DatagramServer, type DatagramServerLimits, DatagramServerLink } from "./datagram-server.js";
export { Outbox, type Outgoing, outboxFlushBytes } from "./outbox.js";
export {
  type Aborter,
  type ReplyPath,
  type ServedProcedure,
  type ServedVersion,
  ServerCall,
  ServerEngine,
  type ServerHost,
  type ServerLink,
} from "./server-engine.js";
export {
  probeAfterMs,
  probeTimeoutMs,
  StreamClientEngine,
  type StreamClientOptions,
  StreamLink,
} from "./stream-client.js";
export {
  runningCallsMax,
  runningPerConnectionMax,
  type StreamServerLimits,
  StreamServerLink,
} from "./stream-server.js";
