import { checkList, LocalAccess, LocalUsers } from "../call/local-access.js";
import { type AllowList, type LocalOptions, RpcError } from "../model/index.js";
import { type CredentialReader, credentialReader, type PeerDemand } from "../net/index.js";

// Local authentication, on any protocol: the lists of a server, the demands of a client, and what asks the kernel.

/**
 * The lists of a server; undefined where it has no local authentication.
 *
 * @throws RangeError or TypeError for a list that is none
 */
export function localAccessOf(options: LocalOptions | true | undefined): LocalAccess | undefined {
  if (options === undefined) return undefined;
  return new LocalAccess(options === true ? {} : options, process.geteuid?.() ?? 0);
}

/** How a Unix socket is listened on. */
export interface LocalListening {
  readonly credentials: CredentialReader;
  readonly mode: number | undefined;
}

/**
 * What asks who calls at an address; undefined where nobody is to be asked.
 *
 * @throws RpcError `invalid-argument` for an address where the kernel vouches for nobody, and for a list with a name that nobody
 *   has, `unavailable` where the kernel cannot be asked
 */
export async function localListening(
  text: string,
  isUnix: boolean,
  options: LocalOptions | true | undefined,
  access: LocalAccess | undefined,
): Promise<LocalListening | undefined> {
  if (options === undefined || access === undefined) return undefined;
  if (!isUnix) {
    if (options !== true && options.remote === "serve") return undefined;
    const message =
      `${text}: with local authentication only Unix sockets are listened on, since the kernel vouches for nobody elsewhere; ` +
      'give other addresses a server of their own, or say local: { remote: "serve" }';
    throw new RpcError("invalid-argument", message, { executed: "no" });
  }
  const credentials = await credentialReader();
  try {
    access.resolve(credentials);
  } catch (error) {
    throw new RpcError("invalid-argument", (error as Error).message, { executed: "no", cause: error });
  }
  return { credentials, mode: options === true ? undefined : options.socketMode };
}

/**
 * What a client demands of who serves.
 *
 * @throws RpcError `invalid-argument` for a list that cannot be one, `unavailable` where the kernel cannot be asked
 */
export async function peerDemand(list: AllowList, isUnix: boolean, address: string): Promise<PeerDemand> {
  if (!isUnix) {
    const message = `${address}: requirePeer is for Unix sockets, where the kernel says who serves`;
    throw new RpcError("invalid-argument", message, { executed: "no" });
  }
  const mistake = (error: unknown): RpcError =>
    new RpcError("invalid-argument", (error as Error).message, { executed: "no", cause: error });
  try {
    if ((list as unknown) === "everyone") throw new TypeError('requirePeer lists users; "everyone" demands nothing');
    checkList(list, "requirePeer");
  } catch (error) {
    throw mistake(error);
  }
  const credentials = await credentialReader();
  let users: LocalUsers;
  try {
    users = new LocalUsers(list, credentials);
  } catch (error) {
    throw mistake(error);
  }
  return {
    credentials,
    check(peer, at) {
      if (peer !== undefined && users.has(peer)) return;
      const known = peer?.uid === undefined ? "a user without a number here" : `uid ${peer.uid}, gid ${peer.gid}`;
      const who = peer === undefined ? "somebody whom the kernel does not vouch for" : known;
      const message = `${at} is served by ${who}, whom requirePeer does not list`;
      throw new RpcError("denied", message, { executed: "no", peer: at });
    },
  };
}
