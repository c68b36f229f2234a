/**
 * ONC RPC, RFC 5531: what stubs that `farcall gen` emits import, the dynamic client, authentication flavors, and the
 * classic face of C's library.
 *
 * @module
 */
export {
  type AuthAccepted,
  type AuthenticatedBytes,
  type AuthSysIdentity,
  type AuthSysParams,
  type AuthVerdict,
  type ClientAuth,
  clientAuthNone,
  clientAuthSys,
  type ServerAuth,
  type ServerAuthSysOptions,
  serverAuthNone,
  serverAuthSys,
} from "./auth/index.js";
export * from "./browser.js";
export { connectOnc, type DynamicCallOptions, OncClient, type OncClientOptions } from "./client.js";
export { AuthFlavor, type OpaqueAuth } from "./message.js";
export type { ClientTls } from "./reach.js";
export type { DuplicateFiltering, ReplyCacheOptions } from "./reply-cache.js";
export type { OncServerOptions, ServerTls } from "./server.js";
export type { ServerLimits } from "./server-limits.js";
export { AcceptStat, AuthStat, ClntStat, RejectStat } from "./status.js";
export type { StreamUpgrade } from "./upgrade.js";
