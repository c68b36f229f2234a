/**
 * Answers "where does this service live?". The package's root hands one to each client, so that protocols need not
 * import the binder.
 */
export interface Resolver {
  /**
   * @param query what is asked for, in the protocol's own terms
   * @returns a complete address, such as `tcp://127.0.0.1:2049`
   * @throws RpcError `not-found` when it is not registered, `unavailable` when the binder cannot be asked
   */
  resolve(query: ResolveQuery): Promise<string>;
  /**
   * Where a service is served that is known by its name; absent where names are not known.
   *
   * @returns at least one place
   * @throws RpcError `not-found` when nobody serves it, `unavailable` when no binder can be asked and none has been before
   */
  find?(query: NameQuery): Promise<readonly Place[]>;
}

export interface ResolveQuery {
  /** `tcp`, `udp`, `unix`, ... */
  readonly transport: string;
  readonly host: string;
  readonly program: number;
  readonly version: number;
  readonly timeoutMs: number;
}

export interface NameQuery {
  /** Such as `calc`. */
  readonly name: string;
  readonly version: number;
  readonly timeoutMs: number;
}

/** One server of a service that several may serve. */
export interface Place {
  /** Complete, such as `tcp://127.0.0.1:20101`. */
  readonly address: string;
  /** Those with the lowest are asked first: RFC 2782. */
  readonly priority: number;
  /** Among those of one priority, how many of the callers it wants, compared with the others. */
  readonly weight: number;
}
