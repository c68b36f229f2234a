/**
 * Asynchronous requests: accepted, kept, run, and followed by their owners, whatever becomes of the processes in between.
 *
 * @module
 */
export type { RequestLimitOptions, RequestLimits } from "./core/limits.js";
export type { RestartPolicy } from "./core/request.js";
export { EngineError, type RequestEngine } from "./core/table.js";
export type { AnyRequestService } from "./job.js";
export { type Exporter, RequestQueue, type RequestQueueOptions, type RequestServiceOptions } from "./queue.js";
export type { WorkerOptions } from "./worker.js";
export { AsyncFault } from "./xml-rpc-face.js";
