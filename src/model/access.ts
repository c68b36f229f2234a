/** Who is at the other end of a Unix socket, as the kernel says: see docs/local.md for what it vouches for. */
export interface LocalPeer {
  /** The process that connected, or began to listen. It may be gone, and its number another's: for logs, not for trust. */
  readonly pid: number | undefined;
  /** Its effective user; undefined for one that has no number here, as in another user namespace. */
  readonly uid: number | undefined;
  /** Its effective group; undefined as with `uid`. */
  readonly gid: number | undefined;
  /** Its supplementary groups, those without a number here left out. */
  readonly groups: readonly number[];
}

/** Local users, by any of what the kernel says of them: whoever is in one of the lists. */
export interface AllowList {
  readonly uids?: readonly number[] | undefined;
  /** Groups, be it the effective one or a supplementary one. */
  readonly gids?: readonly number[] | undefined;
  /** Names of users, looked up once. */
  readonly users?: readonly string[] | undefined;
  /** Names of groups, looked up once. */
  readonly groups?: readonly string[] | undefined;
}

/** Local authentication at the server's end. */
export interface LocalOptions {
  /**
   * Who may call over Unix sockets; default: the server's own user, and root. `everyone` lets every local user call, and
   * handlers learn who it is. A service or a procedure may have a list of its own, which then holds instead.
   */
  readonly allow?: AllowList | "everyone" | undefined;
  /**
   * The permissions that a Unix socket's file gets, such as `0o666`, without which other users cannot connect to it; default: what
   * the process's umask leaves.
   */
  readonly socketMode?: number | undefined;
  /**
   * Whether the server may listen at other addresses than Unix sockets, where the kernel vouches for nobody and these lists hold
   * nobody off; default `refuse`.
   */
  readonly remote?: "refuse" | "serve" | undefined;
}

/** Who may call a service, where its server has local authentication. */
export interface ServiceAccess<C> {
  /** In place of the server's list. */
  readonly allow?: AllowList | "everyone" | undefined;
  /** In place of the service's list, for some procedures. */
  readonly allowProcedures?: { readonly [K in keyof C]?: AllowList | "everyone" | undefined } | undefined;
}
