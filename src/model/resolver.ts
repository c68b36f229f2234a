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
}

export interface ResolveQuery {
  /** `tcp`, `udp`, `unix`, ... */
  readonly transport: string;
  readonly host: string;
  readonly program: number;
  readonly version: number;
  readonly timeoutMs: number;
}
