/**
 * XML-RPC: the specification of 1998, the extensions that the field has added, and what its peers make of both.
 *
 * @module
 */

export * from "./browser.js";
export type { Cors } from "./http-face.js";
export type { IdempotencyOptions } from "./idempotency.js";
export { type HttpHandlers, XmlRpcServer } from "./server.js";
export { type HttpServerAuth, serverAuthBasic, serverAuthBearer } from "./server-auth.js";
export type { FailedXmlRpcCall, XmlRpcServerLimits, XmlRpcServerOptions } from "./server-options.js";
export { WebServer, type WebServerOptions } from "./web-server.js";
