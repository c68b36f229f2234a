// A client of NFSv3: RFC 1813. Nothing is cached: each operation finds its file anew, by the names of its path.
import { type ConnectOptions, connect } from "farcall";
import { clientAuthSys } from "farcall/onc";
import { Mountstat3, MountV3 } from "../nfs-server/mount.js";
import {
  Createmode3,
  type Fattr3,
  Ftype3,
  type NfsFh3,
  NfsV3,
  type NfsV3Client,
  type Sattr3,
} from "../nfs-server/nfs.js";
import { must, NfsFailure } from "./failure.js";
import { listDirectory } from "./list.js";
import { componentsOf, type NfsPath, splitPath, textOf } from "./path.js";
import { readPieces, type Written, writePieces } from "./transfer.js";

export interface MountOptions extends ConnectOptions {
  readonly host: string;
  /** Of NFS; undefined asks the host's rpcbind. */
  readonly port?: number | undefined;
  /** Of MOUNT; undefined asks the host's rpcbind. */
  readonly mountPort?: number | undefined;
  /** What the server exports, such as `/export`, or a directory in it. */
  readonly path: string;
}

/** An entry of a directory. */
export interface DirectoryEntry {
  /** As the server has it. */
  readonly name: Uint8Array;
  /** The name as text; what is not UTF-8 in it is replaced. */
  readonly text: string;
  readonly fileid: bigint;
  /** Undefined where the server gives none, since the file is gone for example. */
  readonly attributes: Fattr3 | undefined;
}

/** Sizes of requests stay within this whatever the server says: 4 KiB is slow already, 1 MiB fast enough. */
const sizeLimits = { least: 4 * 1024, most: 1024 * 1024 } as const;

/** In bytes. */
interface RequestSizes {
  readonly read: number;
  readonly write: number;
  readonly list: number;
}

/** A mounted directory. */
export class NfsClient implements AsyncDisposable {
  readonly #nfs: NfsV3Client;
  readonly #root: NfsFh3;
  readonly #sizes: RequestSizes;

  private constructor(nfs: NfsV3Client, root: NfsFh3, sizes: RequestSizes) {
    this.#nfs = nfs;
    this.#root = root;
    this.#sizes = sizes;
  }

  /**
   * Mounts a directory, as the user who runs this process unless `auth` says otherwise.
   *
   * @throws NfsFailure when the server refuses, RpcError when it cannot be reached
   */
  static async mount(options: MountOptions): Promise<NfsClient> {
    const { host, port, mountPort, path, ...connecting } = options;
    const auth = options.auth ?? clientAuthSys({ uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 });
    const root = await mountRoot(addressOf(host, mountPort), path, { ...connecting, auth });
    // As a hard mount: however many requests are under way when the server restarts, all that may run twice go again.
    const retry = { budget: false } as const;
    // NFS has its own means against repetition, and its servers are seldom farcall's: there is no session to ask for.
    const nfs = await connect(NfsV3, addressOf(host, port), { session: "off", retry, ...connecting, auth });
    try {
      const { resok } = must("fsinfo", await nfs.fsinfo({ fsroot: root }));
      const clamp = (size: number): number => Math.min(Math.max(size, sizeLimits.least), sizeLimits.most);
      return new NfsClient(nfs, root, {
        // A server that says less than is sensible is believed all the same: what is asked for beyond comes short.
        read: Math.min(clamp(resok.rtpref), resok.rtmax || sizeLimits.least),
        write: Math.min(clamp(resok.wtpref), resok.wtmax || sizeLimits.least),
        list: clamp(resok.dtpref),
      });
    } catch (error) {
      await nfs.$close();
      throw error;
    }
  }

  // --- looking

  /** The attributes of a file; of a symbolic link its own. */
  async stat(path: NfsPath): Promise<Fattr3> {
    const object = await this.#find(path);
    return must(textOf(path), await this.#nfs.getattr({ object })).resok.objAttributes;
  }

  /** The entries of a directory but `.` and `..`, page by page as they are asked for. */
  async *list(path: NfsPath = ""): AsyncGenerator<DirectoryEntry> {
    yield* listDirectory(this.#nfs, await this.#find(path), this.#sizes.list, textOf(path));
  }

  /** What a symbolic link says. */
  async readlink(path: NfsPath): Promise<Uint8Array> {
    const symlink = await this.#find(path);
    return must(textOf(path), await this.#nfs.readlink({ symlink })).resok.data;
  }

  /** A file in pieces, in order. */
  async *read(path: NfsPath): AsyncGenerator<Uint8Array> {
    const file = await this.#find(path);
    const { resok } = must(textOf(path), await this.#nfs.getattr({ object: file }));
    if (resok.objAttributes.type !== Ftype3.NF3REG) throw new NfsFailure(textOf(path), "not a regular file");
    yield* readPieces(this.#nfs, file, resok.objAttributes.size, this.#sizes.read);
  }

  /** A file at once. */
  async readFile(path: NfsPath): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this.read(path)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  // --- changing

  /**
   * Writes a file, in place of one that is there. Returns when it is on the server's disk, even if the server restarted
   * meanwhile; until then others may see a part of it.
   */
  async write(
    path: NfsPath,
    data: Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: { readonly mode?: number | undefined } = {},
  ): Promise<Written> {
    const where = await this.#place(path);
    const objAttributes = {
      ...unchanged,
      mode: setMode(options.mode ?? 0o644),
      size: { setIt: true as const, size: 0n },
    };
    const how = { mode: Createmode3.UNCHECKED, objAttributes };
    const { resok } = must(textOf(path), await this.#nfs.create({ where, how }));
    const file = resok.obj.handleFollows ? resok.obj.handle : await this.#lookup(where.dir, where.name, path);
    const source = data instanceof Uint8Array ? [data] : data;
    return await writePieces(this.#nfs, file, source, this.#sizes.write);
  }

  async mkdir(path: NfsPath, options: { readonly mode?: number | undefined } = {}): Promise<void> {
    const attributes = { ...unchanged, mode: setMode(options.mode ?? 0o755) };
    must(textOf(path), await this.#nfs.mkdir({ where: await this.#place(path), attributes }));
  }

  /** Removes what is no directory. */
  async remove(path: NfsPath): Promise<void> {
    must(textOf(path), await this.#nfs.remove({ object: await this.#place(path) }));
  }

  /** Removes an empty directory. */
  async rmdir(path: NfsPath): Promise<void> {
    must(textOf(path), await this.#nfs.rmdir({ object: await this.#place(path) }));
  }

  /** Renames or moves, in place of what has the new name. */
  async rename(from: NfsPath, to: NfsPath): Promise<void> {
    const [source, target] = [await this.#place(from), await this.#place(to)];
    must(`${textOf(from)} to ${textOf(to)}`, await this.#nfs.rename({ from: source, to: target }));
  }

  async close(): Promise<void> {
    await this.#nfs.$close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // --- names

  async #find(path: NfsPath): Promise<NfsFh3> {
    let handle = this.#root;
    for (const name of componentsOf(path)) handle = await this.#lookup(handle, name, path);
    return handle;
  }

  async #lookup(dir: NfsFh3, name: Uint8Array, path: NfsPath): Promise<NfsFh3> {
    return must(textOf(path), await this.#nfs.lookup({ what: { dir, name } })).resok.object;
  }

  async #place(path: NfsPath): Promise<{ dir: NfsFh3; name: Uint8Array }> {
    const { parent, name } = splitPath(path);
    return { dir: await this.#find(parent), name };
  }
}

const unchanged: Sattr3 = {
  mode: { setIt: false },
  uid: { setIt: false },
  gid: { setIt: false },
  size: { setIt: false },
  atime: { setIt: 0 },
  mtime: { setIt: 0 },
};

/** Always said: without it some servers make what nobody may use. */
function setMode(mode: number): Sattr3["mode"] {
  return { setIt: true, mode };
}

async function mountRoot(address: string, path: string, options: ConnectOptions): Promise<NfsFh3> {
  await using mount = await connect(MountV3, address, { session: "off", ...options });
  const result = await mount.mnt(Buffer.from(path));
  if (result.fhsStatus !== Mountstat3.MNT3_OK) {
    throw new NfsFailure(`the server does not let ${path} be mounted`, result.fhsStatus);
  }
  return { data: result.mountinfo.fhandle };
}

/** What a server exports. */
export async function exportsOf(
  host: string,
  mountPort: number | undefined,
  options: ConnectOptions = {},
): Promise<string[]> {
  await using mount = await connect(MountV3, addressOf(host, mountPort), { session: "off", ...options });
  const paths: string[] = [];
  for (let node = await mount.export(); node !== null; node = node.exNext)
    paths.push(Buffer.from(node.exDir).toString());
  return paths;
}

function addressOf(host: string, port: number | undefined): string {
  return `tcp://${host}${port === undefined ? "" : `:${port}`}`;
}
