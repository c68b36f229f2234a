// READDIRPLUS, page by page; READDIR where the server has no more: RFC 1813, sections 3.3.16 and 3.3.17.
import { type Entryplus3, type NfsFh3, Nfsstat3, type NfsV3Client } from "../nfs-server/nfs.js";
import type { DirectoryEntry } from "./client.js";
import { must, NfsFailure } from "./failure.js";

interface Page {
  readonly entries: Pick<Entryplus3, "name" | "fileid" | "cookie" | "nameAttributes" | "nextentry"> | null;
  readonly eof: boolean;
  readonly verifier: Uint8Array;
}

export async function* listDirectory(
  nfs: NfsV3Client,
  dir: NfsFh3,
  size: number,
  what: string,
): AsyncGenerator<DirectoryEntry> {
  let cookie = 0n;
  let cookieverf: Uint8Array = new Uint8Array(8);
  let isPlain = false;
  while (true) {
    const before = cookie;
    let page: Page | undefined;
    if (!isPlain) {
      const result = await nfs.readdirplus({ dir, cookie, cookieverf, dircount: size, maxcount: size });
      if (result.status === Nfsstat3.NFS3ERR_NOTSUPP && cookie === 0n) isPlain = true;
      else {
        const { resok } = must(what, result);
        page = { ...resok.reply, verifier: resok.cookieverf };
      }
    }
    page ??= await plainPage(nfs, dir, cookie, cookieverf, size, what);
    for (let entry = page.entries; entry !== null; entry = entry.nextentry) {
      cookie = entry.cookie;
      const text = Buffer.from(entry.name).toString();
      if (text === "." || text === "..") continue;
      const { nameAttributes } = entry;
      const attributes = nameAttributes.attributesFollow ? nameAttributes.attributes : undefined;
      yield { name: entry.name, text, fileid: entry.fileid, attributes };
    }
    if (page.eof) return;
    // Otherwise the same page would come for ever.
    if (cookie === before) throw new NfsFailure(what, "a page without entries that is not the last");
    cookieverf = page.verifier;
  }
}

async function plainPage(
  nfs: NfsV3Client,
  dir: NfsFh3,
  cookie: bigint,
  cookieverf: Uint8Array,
  count: number,
  what: string,
): Promise<Page> {
  const { resok } = must(what, await nfs.readdir({ dir, cookie, cookieverf, count }));
  let first: Entryplus3 | null = null;
  let last: Entryplus3 | undefined;
  for (let entry = resok.reply.entries; entry !== null; entry = entry.nextentry) {
    const plus: Entryplus3 = {
      ...entry,
      nameAttributes: { attributesFollow: false },
      nameHandle: { handleFollows: false },
      nextentry: null,
    };
    if (last === undefined) first = plus;
    else last.nextentry = plus;
    last = plus;
  }
  return { entries: first, eof: resok.reply.eof, verifier: resok.cookieverf };
}
