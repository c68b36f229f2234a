// Puts the two programs over a directory, on one port or on two.
import { randomBytes } from "node:crypto";
import { Server } from "farcall";
import { changers } from "./change.js";
import { creators } from "./create.js";
import { dataProcedures } from "./data.js";
import { lists, Orders } from "./listing.js";
import { MountV3 } from "./mount.js";
import { mountService } from "./mount-service.js";
import { NfsV3 } from "./nfs.js";
import { Changes, type Share } from "./operation.js";
import { queries } from "./query.js";
import { Tree } from "./tree.js";

export interface FileServerOptions {
  /** The directory to serve. */
  readonly directory: string;
  /** The path that clients mount; default `/export`. */
  readonly exportName?: string | undefined;
  /** Default 127.0.0.1: nobody but this machine. */
  readonly host?: string | undefined;
  /** Default 2049; 0 takes a free one. */
  readonly port?: number | undefined;
  /** Default: the same port as NFS. */
  readonly mountPort?: number | undefined;
  /** Refuses every change. */
  readonly readOnly?: boolean | undefined;
  /**
   * The secret that seals file handles, 32 random bytes. With the same one, handles outlive a restart; default: a new
   * one, and clients have to mount again.
   */
  readonly key?: Uint8Array | undefined;
  /** Brings each change to the disk before it is answered, as the protocol demands; default true. */
  readonly durable?: boolean | undefined;
}

/** A running file server. */
export interface FileServer extends AsyncDisposable {
  /** Such as `tcp://127.0.0.1:2049`. */
  readonly address: string;
  readonly mountAddress: string;
  /** Tells this machine's rpcbind where both programs are. */
  register(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Each running call holds up to three descriptors and half a megabyte. Further calls wait in their connections, which
 * are not read meanwhile.
 */
const runningCallsMax = 128;

/** A WRITE that is larger than we prefer is taken in part, as the protocol has it; but not one of any size. */
const recordSizeMax = 2 * 1024 * 1024;

const limits = { runningCallsMax, recordSizeMax };

/** @throws the operating system's error for the directory, RpcError `unavailable` for a port that is taken */
export async function serveDirectory(options: FileServerOptions): Promise<FileServer> {
  const { exportName = "/export", host = "127.0.0.1", port = 2049, mountPort } = options;
  const key = options.key ?? randomBytes(32);
  const tree = new Tree(options.directory, key);
  let verf = randomBytes(8);
  const share: Share = {
    tree,
    readOnly: options.readOnly ?? false,
    durable: options.durable ?? true,
    changes: new Changes(),
    verifier: {
      get value() {
        return verf;
      },
      renew() {
        verf = randomBytes(8);
      },
    },
  };
  const nfs = new Server(limits);
  nfs.export(NfsV3, {
    ...queries(share),
    ...dataProcedures(share),
    ...creators(share),
    ...changers(share),
    ...lists(share, new Orders(key)),
  });
  const mount = mountPort === undefined ? nfs : new Server(limits);
  mount.export(MountV3, mountService(tree, exportName));

  const close = async (): Promise<void> => {
    await Promise.all([nfs.close({ drainMs: 1_000 }), mount.close({ drainMs: 1_000 })]);
    tree[Symbol.dispose]();
  };
  try {
    const address = await nfs.listen(`tcp://${host}:${port}`);
    const mountAddress = mount === nfs ? address : await mount.listen(`tcp://${host}:${mountPort}`);
    return {
      address,
      mountAddress,
      register: async () => {
        await nfs.register();
        if (mount !== nfs) await mount.register();
      },
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
