// A directory served by the example's server in this process, and its procedures as a client calls them.
import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "farcall";
import { Mountstat3, MountV3 } from "../../examples/nfs-server/mount.js";
import {
  type Entryplus3,
  type NfsFh3,
  Nfsstat3,
  NfsV3,
  type NfsV3Client,
  type Sattr3,
} from "../../examples/nfs-server/nfs.js";
import { type FileServer, type FileServerOptions, serveDirectory } from "../../examples/nfs-server/serve.js";

/** A folder of the test's own, gone at its end. */
export class Folder implements Disposable {
  readonly path: string;

  /** @param many for thousands of files: in memory, since some disks take seconds for them */
  constructor(many?: "many") {
    const base = many !== undefined && existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
    this.path = realpathSync(mkdtempSync(join(base, "farcall-nfs-")));
  }

  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A served directory and a client of it. */
export class Served implements AsyncDisposable {
  readonly folder: Folder;
  readonly server: FileServer;
  readonly nfs: NfsV3Client;
  /** The handle of the exported directory. */
  readonly root: NfsFh3;

  private constructor(folder: Folder, server: FileServer, nfs: NfsV3Client, root: NfsFh3) {
    this.folder = folder;
    this.server = server;
    this.nfs = nfs;
    this.root = root;
  }

  /** The directory is `export` in the folder, so that there is something beside it to break out to. */
  static async start(folder: Folder, options: Partial<FileServerOptions> = {}): Promise<Served> {
    const server = await serveDirectory({ directory: folder.at("export"), port: 0, durable: false, ...options });
    const nfs = await connect(NfsV3, server.address, { session: "off" });
    return new Served(folder, server, nfs, await mounted(server.mountAddress, "/export"));
  }

  get port(): number {
    return Number(new URL(this.server.address).port);
  }

  path(...names: string[]): string {
    return this.folder.at("export", ...names);
  }

  /** The handle behind names, from the root down. */
  async find(...names: string[]): Promise<NfsFh3> {
    let dir = this.root;
    for (const name of names) {
      const result = await this.nfs.lookup({ what: { dir, name: bytes(name) } });
      if (result.status !== Nfsstat3.NFS3_OK) throw new Error(`lookup ${name}: ${statusName(result.status)}`);
      dir = result.resok.object;
    }
    return dir;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.nfs.$close();
    await this.server.close();
  }
}

export async function mounted(mountAddress: string, path: string): Promise<NfsFh3> {
  await using mount = await connect(MountV3, mountAddress, { session: "off" });
  const result = await mount.mnt(bytes(path));
  if (result.fhsStatus !== Mountstat3.MNT3_OK) throw new Error(`mount ${path}: ${result.fhsStatus}`);
  return { data: result.mountinfo.fhandle };
}

export function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

/** The name of a status, such as `NFS3ERR_STALE`: what tables of tests compare. */
export function statusName(status: Nfsstat3): string {
  return Object.keys(Nfsstat3).find((name) => Nfsstat3[name as keyof typeof Nfsstat3] === status) ?? String(status);
}

/** Sets nothing but what is given. */
export function sattr(some: Partial<Sattr3> = {}): Sattr3 {
  return {
    mode: { setIt: false },
    uid: { setIt: false },
    gid: { setIt: false },
    size: { setIt: false },
    atime: { setIt: 0 },
    mtime: { setIt: 0 },
    ...some,
  };
}

/** All entries of a directory, in pages of at most `size` bytes. */
export async function listing(served: Served, dir: NfsFh3, size: number): Promise<Entryplus3[]> {
  const entries: Entryplus3[] = [];
  for await (const page of pages(served, dir, size)) entries.push(...page);
  return entries;
}

export async function* pages(served: Served, dir: NfsFh3, size: number): AsyncGenerator<Entryplus3[]> {
  let cookie = 0n;
  let cookieverf: Uint8Array = new Uint8Array(8);
  for (let eof = false; !eof; ) {
    const result = await served.nfs.readdirplus({ dir, cookie, cookieverf, dircount: size, maxcount: size });
    if (result.status !== Nfsstat3.NFS3_OK) throw new Error(statusName(result.status));
    const page: Entryplus3[] = [];
    for (let entry = result.resok.reply.entries; entry !== null; entry = entry.nextentry) page.push(entry);
    cookie = page.at(-1)?.cookie ?? cookie;
    cookieverf = result.resok.cookieverf;
    eof = result.resok.reply.eof;
    yield page;
  }
}
