// Paths within what is mounted. A name is bytes; as text it is taken for UTF-8.

/** `dir/file` as text, or the bytes of each name. */
export type NfsPath = string | readonly Uint8Array[];

export function componentsOf(path: NfsPath): readonly Uint8Array[] {
  if (typeof path !== "string") return path;
  return path
    .split("/")
    .filter((name) => name !== "" && name !== ".")
    .map((name) => Buffer.from(name));
}

/**
 * The names of the directory, and that of the entry in it.
 *
 * @throws TypeError for the root, which has none
 */
export function splitPath(path: NfsPath): { parent: readonly Uint8Array[]; name: Uint8Array } {
  const components = componentsOf(path);
  const name = components.at(-1);
  if (name === undefined) throw new TypeError("what is mounted itself cannot be made, changed or removed");
  return { parent: components.slice(0, -1), name };
}

export function textOf(path: NfsPath): string {
  return typeof path === "string" ? path : path.map((name) => Buffer.from(name).toString()).join("/");
}

/** What an `nfs:` URL says. */
export interface NfsUrl {
  readonly host: string;
  /** Undefined: the host's rpcbind knows. */
  readonly port: number | undefined;
  readonly mountPort: number | undefined;
  /** The whole path: what is exported, and what lies in it. */
  readonly path: string;
}

/**
 * Takes `nfs://HOST[:PORT]/PATH[?nfsport=PORT&mountport=PORT]` apart, as libnfs's tools take it.
 *
 * @throws TypeError when it is none
 */
export function parseNfsUrl(text: string): NfsUrl {
  const url = new URL(text);
  if (url.protocol !== "nfs:" || url.hostname === "") throw new TypeError(`${text} is not like nfs://HOST/PATH`);
  const port = portOf(url.searchParams.get("nfsport") ?? url.port);
  const mountPort = portOf(url.searchParams.get("mountport") ?? "") ?? port;
  return { host: url.hostname, port, mountPort, path: decodeURIComponent(url.pathname) };
}

function portOf(text: string): number | undefined {
  if (text === "") return undefined;
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new TypeError(`${text} is not a port`);
  return Number(text);
}
