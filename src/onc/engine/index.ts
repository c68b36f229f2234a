export { type CallLife, type CallTarget, ClientCall } from "./client-call.js";
export { ClientEngine, type ClientEngineOptions, pendingCallsMax, queueBytesMax } from "./client-engine.js";
export { DatagramClientEngine, type DatagramClientOptions, datagramSizeMax, datagramWindow } from "./datagram-client.js";
export { Outbox, outboxFlushBytes, type Outgoing } from "./outbox.js";
export { probeAfterMs, probeTimeoutMs, StreamClientEngine, type StreamClientOptions, StreamLink } from "./stream-client.js";
export {
  type Aborter,
  type ReplyPath,
  ServerCall,
  ServerEngine,
  type ServerHost,
  type ServerLink,
  type ServedProcedure,
  type ServedVersion,
} from "./server-engine.js";
export { DatagramServer, DatagramServerLink, type DatagramServerLimits } from "./datagram-server.js";
export {
  runningCallsMax,
  runningPerConnectionMax,
  StreamServerLink,
  type StreamServerLimits,
} from "./stream-server.js";
