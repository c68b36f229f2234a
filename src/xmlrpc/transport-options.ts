import type { AllowList } from "../model/index.js";
import type { TlsClientCredentials } from "../net/tls.js";

/** How a client's connections are made. */
export interface TransportOptions {
  /** Whom to trust, and who one is, for `https:`. Browsers have their own ways. */
  readonly tls?: TlsClientCredentials | undefined;
  /**
   * Who must be serving on a Unix socket, by user or group: `{ users: ["www-data"] }`. Anybody else is called nothing: `denied`.
   * Needs Linux and the package koffi.
   */
  readonly requirePeer?: AllowList | undefined;
  /** Whether to ask for compressed responses; default true. */
  readonly gzip?: boolean | undefined;
  /** Milliseconds that an idle connection is kept; default 4,000, and never longer than the server says. */
  readonly idleMs?: number | undefined;
  /** Whether cookies that the server sets go back to it; default false. */
  readonly cookies?: boolean | undefined;
}
