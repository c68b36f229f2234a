// Lists what an rtorrent has, over SCGI: node rtorrent.js scgi+unix:/run/rtorrent.sock or scgi://127.0.0.1:5000
import { connect, RpcError } from "farcall";
import { any, array, i8, int, method, string, xmlRpcService } from "farcall/xmlrpc";

/** What rtorrent says of itself, and of its downloads all at once. Every number of its is an i8. */
export const Rtorrent = xmlRpcService({
  version: method("system.client_version", { params: [], result: string, semantics: "at-least-once" }),
  libraryVersion: method("system.library_version", { params: [], result: string, semantics: "at-least-once" }),
  downloadRate: method("throttle.global_down.rate", { params: [], result: i8, semantics: "at-least-once" }),
  setTitle: method("session.name.set", { params: [string, string], result: int }),
  /** The view comes second: the first parameter names an item, and the whole list has none. */
  multicall: method("d.multicall2", {
    params: [string, string, string, string, string, string],
    result: array(array(any)),
    semantics: "at-least-once",
  }),
});

export interface Download {
  readonly name: string;
  readonly sizeBytes: number;
  readonly doneBytes: number;
  readonly isActive: boolean;
}

export async function listDownloads(address: string): Promise<{ version: string; downloads: Download[] }> {
  await using rtorrent = await connect(Rtorrent, address, { preset: "rtorrent" });
  const version = await rtorrent.version();
  const rows = await rtorrent.multicall("", "main", "d.name=", "d.size_bytes=", "d.completed_bytes=", "d.is_active=");
  const downloads = rows.map(([name, size, done, active]) => ({
    name: String(name),
    sizeBytes: Number(size),
    doneBytes: Number(done),
    isActive: Number(active) === 1,
  }));
  return { version, downloads };
}

if (process.argv[1]?.endsWith("rtorrent.js") === true) {
  try {
    const { version, downloads } = await listDownloads(process.argv[2] ?? "scgi://127.0.0.1:5000");
    console.log(`rtorrent ${version}, ${downloads.length} downloads`);
    for (const { name, sizeBytes, doneBytes, isActive } of downloads) {
      const done = sizeBytes === 0 ? 100 : Math.floor((doneBytes / sizeBytes) * 100);
      console.log(`${String(done).padStart(3)} %  ${isActive ? "active" : "idle  "}  ${name}`);
    }
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
