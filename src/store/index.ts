/**
 * Stores of the reply cache, and engines of asynchronous requests: in memory, in SQLite and in PostgreSQL. Stores of the
 * binder's directory: in memory, in SQLite, in etcd, and read-only in DNS.
 *
 * @module
 */
export type {
  Claim,
  ClaimRequest,
  FreshClaim,
  KnownCall,
  Look,
  LookRequest,
  MaybePromise,
  ReplyKey,
  ReplyStore,
  ReplyStoreLimits,
} from "../call/reply-cache.js";
export type { DirectoryEntry, DirectoryStore, DirectoryUsage, DirectoryView } from "./directory/contract.js";
export { type DnsDirectoryStoreOptions, dnsDirectoryStore } from "./directory/dns.js";
export { type EtcdDirectoryStoreOptions, openEtcdDirectoryStore } from "./directory/etcd.js";
export { type MemoryDirectoryStoreOptions, memoryDirectoryStore } from "./directory/memory.js";
export { openSqliteDirectoryStore, type SqliteDirectoryStoreOptions } from "./directory/sqlite.js";
export { MemoryReplyStore, type MemoryReplyStoreOptions } from "./memory.js";
export {
  openPostgresReplyStore,
  type PostgresReplyStoreOptions,
  type PostgresTransaction,
} from "./postgres.js";
export { MemoryRequestEngine, type MemoryRequestEngineOptions } from "./request-memory.js";
export { openPostgresRequestEngine, type PostgresRequestEngineOptions } from "./request-postgres.js";
export { openSqliteRequestEngine, type SqliteRequestEngineOptions } from "./request-sqlite.js";
export type { SqlRow, SqlValue } from "./sql-replies.js";
export { openSqliteReplyStore, type SqliteReplyStoreOptions, type SqliteTransaction } from "./sqlite.js";
export type { SqliteDriver } from "./sqlite-driver.js";
