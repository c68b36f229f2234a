import type { NameQuery, Place, Resolver } from "../../model/index.js";
import { RpcError } from "../../model/index.js";
import { rpcbindResolver } from "../rpcbind/resolver.js";
import { DirectoryClient, type DirectoryClientOptions } from "./client.js";

/** The binder of this machine, where `farcall bind` serves. */
export const localBinder = "tcp://127.0.0.1:111";

/** What `FARCALL_BINDER` holds: one address, or several with commas between, of binders that share a store. */
export function bindersOf(text: string | undefined): readonly string[] {
  const binders = (text ?? "").split(",").map((part) => part.trim());
  const given = binders.filter((part) => part !== "");
  return given.length === 0 ? [localBinder] : given;
}

/** A {@link Resolver} that knows names, for the option `resolver` of `connect`. */
export interface NameResolver extends Resolver, AsyncDisposable {
  find(query: NameQuery): Promise<readonly Place[]>;
  close(): Promise<void>;
}

/**
 * Asks the directories of given binders for names: `farcall bind` serves one, and so does any server that exports a
 * `Directory`. Several must share a store; they stand in for each other. Ports of programs are asked of each host's rpcbind.
 *
 * @throws RpcError `invalid-argument` when no binder is given
 */
export function binderAt(binders: string | readonly string[], options: DirectoryClientOptions = {}): NameResolver {
  const addresses = typeof binders === "string" ? bindersOf(binders) : binders;
  if (addresses.length === 0) {
    throw new RpcError("invalid-argument", "binderAt needs the address of a binder, such as tcp://127.0.0.1:111", {
      executed: "no",
    });
  }
  const client = new DirectoryClient(addresses, options);
  return {
    resolve: (query) => rpcbindResolver.resolve(query),
    find: (query) => client.find(query),
    close: () => client.close(),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

/** One client for each setting of `FARCALL_BINDER` that the process has seen: in practice one. */
const shared = new Map<string, NameResolver>();

/** Ports from each host's rpcbind; names from the binder of `FARCALL_BINDER`, or else of this machine. */
export const defaultResolver: Resolver & Required<Pick<Resolver, "find">> = {
  resolve: (query) => rpcbindResolver.resolve(query),
  find(query) {
    const text = process.env["FARCALL_BINDER"] ?? "";
    let resolver = shared.get(text);
    if (resolver === undefined) {
      resolver = binderAt(bindersOf(text));
      shared.set(text, resolver);
    }
    return resolver.find(query);
  },
};

/** A user's resolver that knows no names leaves those to the default one. */
export function withNames(given: Resolver | undefined): Resolver {
  if (given === undefined) return defaultResolver;
  if (given.find !== undefined) return given;
  return { resolve: (query) => given.resolve(query), find: (query) => defaultResolver.find(query) };
}
