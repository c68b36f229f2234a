import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  Createmode3,
  Ftype3,
  type NfsFh3,
  Nfsstat3,
  type PostOpAttr,
  StableHow,
  TimeHow,
  type WccData,
} from "../../examples/nfs-server/nfs.js";
import { bytes, Folder, listing, Served, sattr, statusName } from "./nfs-support.js";

// The procedures one by one, as RFC 1813 describes them.

describe.skipIf(process.platform !== "linux")("the NFS server", () => {
  let folder: Folder;
  let served: Served;

  beforeAll(async () => {
    folder = new Folder();
    mkdirSync(folder.at("export"));
    served = await Served.start(folder);
  });

  afterAll(async () => {
    await served[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  const where = (name: string, dir: NfsFh3 = served.root) => ({ dir, name: bytes(name) });

  async function create(name: string, data = ""): Promise<NfsFh3> {
    writeFileSync(served.path(name), data);
    return await served.find(name);
  }

  describe("GETATTR, LOOKUP and READLINK", () => {
    it("tell what stat(2) says", async () => {
      const object = await create("plain", "twelve bytes");
      chmodSync(served.path("plain"), 0o640);
      const stat = statSync(served.path("plain"), { bigint: true });
      const result = await served.nfs.getattr({ object });
      expect(result).toEqual({
        status: Nfsstat3.NFS3_OK,
        resok: {
          objAttributes: {
            type: Ftype3.NF3REG,
            mode: 0o640,
            nlink: 1,
            uid: Number(stat.uid),
            gid: Number(stat.gid),
            size: 12n,
            used: stat.blocks * 512n,
            rdev: { major: 0, minor: 0 },
            fsid: stat.dev,
            fileid: stat.ino,
            atime: timeOf(stat.atimeNs),
            mtime: timeOf(stat.mtimeNs),
            ctime: timeOf(stat.ctimeNs),
          },
        },
      });
    });

    it("keep names that are not UTF-8", async () => {
      const name = Buffer.from([0x66, 0xe9, 0xff]);
      writeFileSync(Buffer.concat([Buffer.from(`${served.path()}/`), name]), "x");
      expect((await served.nfs.lookup({ what: { dir: served.root, name } })).status).toBe(Nfsstat3.NFS3_OK);
      const listed = await listing(served, served.root, 4096);
      expect(listed.some((entry) => Buffer.compare(entry.name, name) === 0)).toBe(true);
    });

    it("give the directory's attributes beside a failure", async () => {
      const result = await served.nfs.lookup({ what: where("nobody") });
      expect(result.status).toBe(Nfsstat3.NFS3ERR_NOENT);
      expect(result).toMatchObject({ resfail: { dirAttributes: { attributesFollow: true } } });
    });

    it("read a link, and nothing else as a link", async () => {
      const made = await served.nfs.symlink({
        where: where("link"),
        symlink: { symlinkAttributes: sattr(), symlinkData: bytes("../any/where") },
      });
      expect(made.status).toBe(Nfsstat3.NFS3_OK);
      expect(readlinkSync(served.path("link"))).toBe("../any/where");
      const result = await served.nfs.readlink({ symlink: await served.find("link") });
      expect(result).toMatchObject({ resok: { data: new Uint8Array(bytes("../any/where")) } });
      const other = await served.nfs.readlink({ symlink: served.root });
      expect(statusName(other.status)).toBe("NFS3ERR_INVAL");
    });
  });

  describe("SETATTR", () => {
    it("truncates and extends", async () => {
      const object = await create("size", "0123456789");
      for (const size of [4n, 8n]) {
        const newAttributes = sattr({ size: { setIt: true, size } });
        const result = await served.nfs.setattr({ object, newAttributes, guard: { check: false } });
        expect(afterIn(result, "objWcc")).toMatchObject({ attributes: { size } });
      }
      expect(readFileSync(served.path("size"), "latin1")).toBe("0123\0\0\0\0");
    });

    it("sets times to the microsecond, one without the other", async () => {
      const object = await create("times");
      const mtime = { seconds: 1_700_000_000, nseconds: 123_456_000 };
      const newAttributes = sattr({ mtime: { setIt: TimeHow.SET_TO_CLIENT_TIME, mtime } });
      const before = statSync(served.path("times"), { bigint: true });
      await served.nfs.setattr({ object, newAttributes, guard: { check: false } });
      const stat = statSync(served.path("times"), { bigint: true });
      expect(stat.mtimeNs).toBe(1_700_000_000_123_456_000n);
      expect(stat.atimeNs).toBe(before.atimeNs - (before.atimeNs % 1_000n));
    });

    it("drops set-user-id and refuses another owner", async () => {
      const object = await create("mode");
      const set = (newAttributes: ReturnType<typeof sattr>) =>
        served.nfs.setattr({ object, newAttributes, guard: { check: false } });
      expect(afterIn(await set(sattr({ mode: { setIt: true, mode: 0o6755 } })), "objWcc")).toMatchObject({
        attributes: { mode: 0o755 },
      });
      const uid = (process.getuid?.() ?? 0) + 1;
      expect(statusName((await set(sattr({ uid: { setIt: true, uid } }))).status)).toBe("NFS3ERR_PERM");
    });

    it("is guarded by the time of change", async () => {
      const object = await create("guard");
      const found = await served.nfs.getattr({ object });
      if (found.status !== Nfsstat3.NFS3_OK) throw new Error("no attributes");
      const { ctime } = found.resok.objAttributes;
      const newAttributes = sattr({ mode: { setIt: true, mode: 0o600 } });
      const guarded = () => served.nfs.setattr({ object, newAttributes, guard: { check: true, objCtime: ctime } });
      // The clock that files are stamped with may tick only every few milliseconds.
      await expect.poll(() => statSync(served.path("guard")).ctimeMs < Date.now() - 20).toBe(true);
      expect(statusName((await guarded()).status)).toBe("NFS3_OK");
      expect(statusName((await guarded()).status)).toBe("NFS3ERR_NOT_SYNC");
    });
  });

  describe("READ and WRITE", () => {
    it("say where the file ends", async () => {
      const file = await create("end", "0123456789");
      const read = async (offset: bigint, count: number) => {
        const result = await served.nfs.read({ file, offset, count });
        if (result.status !== Nfsstat3.NFS3_OK) throw new Error(statusName(result.status));
        return [Buffer.from(result.resok.data).toString(), result.resok.count, result.resok.eof];
      };
      expect(await read(0n, 4)).toEqual(["0123", 4, false]);
      expect(await read(4n, 6)).toEqual(["456789", 6, true]);
      expect(await read(4n, 100)).toEqual(["456789", 6, true]);
      expect(await read(10n, 1)).toEqual(["", 0, true]);
      expect(await read(2n ** 63n, 1)).toEqual(["", 0, true]);
    });

    it.each([
      ["UNSTABLE", StableHow.UNSTABLE, StableHow.UNSTABLE],
      ["DATA_SYNC", StableHow.DATA_SYNC, StableHow.FILE_SYNC],
      ["FILE_SYNC", StableHow.FILE_SYNC, StableHow.FILE_SYNC],
    ])("write %s data, at least as safe as asked", async (name, stable, committed) => {
      const file = await create(`stable-${name}`, "....");
      const result = await served.nfs.write({ file, offset: 2n, count: 4, stable, data: bytes("data") });
      expect(result).toMatchObject({
        resok: {
          count: 4,
          committed,
          fileWcc: {
            before: { attributesFollow: true, attributes: { size: 4n } },
            after: { attributesFollow: true, attributes: { size: 6n } },
          },
        },
      });
      expect(readFileSync(served.path(`stable-${name}`), "utf8")).toBe("..data");
    });

    it("have one verifier as long as the server runs", async () => {
      const file = await create("verifier");
      const wrote = await served.nfs.write({
        file,
        offset: 0n,
        count: 1,
        stable: StableHow.UNSTABLE,
        data: bytes("x"),
      });
      const committed = await served.nfs.commit({ file, offset: 0n, count: 0 });
      if (wrote.status !== Nfsstat3.NFS3_OK || committed.status !== Nfsstat3.NFS3_OK) throw new Error("failed");
      expect(committed.resok.verf).toEqual(wrote.resok.verf);
    });

    it.each([
      ["a directory", () => served.root, "NFS3ERR_INVAL"],
      ["beyond what positions can be", () => create("far"), "NFS3ERR_FBIG"],
    ])("refuse to write to %s", async (_what, handle, status) => {
      const file = await handle();
      const args = { file, offset: 2n ** 62n, count: 1, stable: StableHow.UNSTABLE, data: bytes("x") };
      expect(statusName((await served.nfs.write(args)).status)).toBe(status);
    });
  });

  describe("CREATE", () => {
    it.each([
      ["UNCHECKED takes a file that is there, and truncates if told to", Createmode3.UNCHECKED, "NFS3_OK", ""],
      ["GUARDED refuses a file that is there", Createmode3.GUARDED, "NFS3ERR_EXIST", "old"],
    ] as const)("%s", async (_what, mode, status, left) => {
      const name = `create-${mode}`;
      const how = {
        mode,
        objAttributes: sattr({ size: { setIt: true, size: 0n }, mode: { setIt: true, mode: 0o600 } }),
      };
      expect(statusName((await served.nfs.create({ where: where(name), how })).status)).toBe("NFS3_OK");
      expect(statSync(served.path(name)).mode & 0o7777).toBe(0o600);
      writeFileSync(served.path(name), "old");
      expect(statusName((await served.nfs.create({ where: where(name), how })).status)).toBe(status);
      expect(readFileSync(served.path(name), "utf8")).toBe(left);
    });

    it("EXCLUSIVE gives the same file to the same verifier, and to no other", async () => {
      const create = (verf: string) =>
        served.nfs.create({ where: where("exclusive"), how: { mode: Createmode3.EXCLUSIVE, verf: bytes(verf) } });
      const first = await create("8 bytes!");
      expect(await create("8 bytes!")).toMatchObject({
        status: Nfsstat3.NFS3_OK,
        resok: { obj: first.status === Nfsstat3.NFS3_OK && first.resok.obj },
      });
      expect(statusName((await create("8 others")).status)).toBe("NFS3ERR_EXIST");
    });

    it("takes neither a directory nor a link that is there", async () => {
      mkdirSync(served.path("taken"));
      const how = { mode: Createmode3.UNCHECKED, objAttributes: sattr() };
      expect(statusName((await served.nfs.create({ where: where("taken"), how })).status)).toBe("NFS3ERR_EXIST");
    });

    it("makes no devices", async () => {
      const what = { type: Ftype3.NF3FIFO, pipeAttributes: sattr() };
      const result = await served.nfs.mknod({ where: where("fifo"), what });
      expect(statusName(result.status)).toBe("NFS3ERR_NOTSUPP");
    });
  });

  describe("MKDIR, REMOVE, RMDIR, RENAME and LINK", () => {
    it("tell the directory before and after", async () => {
      const result = await served.nfs.mkdir({
        where: where("dir"),
        attributes: sattr({ mode: { setIt: true, mode: 0o775 } }),
      });
      if (result.status !== Nfsstat3.NFS3_OK) throw new Error(statusName(result.status));
      const { before, after } = result.resok.dirWcc;
      expect([before.attributesFollow, after.attributesFollow]).toEqual([true, true]);
      expect(after).toMatchObject({ attributes: { nlink: statSync(served.path()).nlink } });
      expect(statSync(served.path("dir")).mode & 0o7777).toBe(0o775);
    });

    it.each([
      ["RMDIR of a file", "rmdir", "a-file", "NFS3ERR_NOTDIR"],
      ["RMDIR of a directory with entries", "rmdir", "full", "NFS3ERR_NOTEMPTY"],
      ["REMOVE of a directory", "remove", "full", "NFS3ERR_ISDIR"],
      ["REMOVE of nothing", "remove", "nobody", "NFS3ERR_NOENT"],
    ] as const)("%s is refused", async (_what, procedure, name, status) => {
      mkdirSync(served.path("full/er"), { recursive: true });
      writeFileSync(served.path("a-file"), "");
      expect(statusName((await served.nfs[procedure]({ object: where(name) })).status)).toBe(status);
    });

    it("a handle outlives renames and moves of the file and of the directory above it", async () => {
      mkdirSync(served.path("from"));
      mkdirSync(served.path("to"));
      writeFileSync(served.path("from/file"), "moved");
      const file = await served.find("from", "file");
      const to = await served.find("to");
      const from = await served.find("from");
      expect((await served.nfs.rename({ from: where("file", from), to: where("other", to) })).status).toBe(0);
      expect((await served.nfs.rename({ from: where("to"), to: where("deep", from) })).status).toBe(0);
      expect(readFileSync(served.path("from/deep/other"), "utf8")).toBe("moved");
      expect(await served.nfs.read({ file, offset: 0n, count: 9 })).toMatchObject({ resok: { count: 5, eof: true } });
    });

    it("a handle outlives a move on the server itself", async () => {
      mkdirSync(served.path("local/a/b"), { recursive: true });
      const file = await create("strays", "found");
      linkSync(served.path("strays"), served.path("local/a/b/found"));
      rmSync(served.path("strays"));
      expect(await served.nfs.read({ file, offset: 0n, count: 9 })).toMatchObject({ resok: { count: 5 } });
    });

    it("a file with two names is one file", async () => {
      const file = await create("one", "1");
      const result = await served.nfs.link({ file, link: where("two") });
      expect(result).toMatchObject({ status: 0, resok: { fileAttributes: { attributes: { nlink: 2 } } } });
      expect(await served.find("two")).toEqual(file);
      await served.nfs.remove({ object: where("one") });
      expect((await served.nfs.getattr({ object: file })).status).toBe(0);
    });

    it("a rename onto a file ends that file's handle", async () => {
      const old = await create("onto", "old");
      await create("comes", "new");
      await served.nfs.rename({ from: where("comes"), to: where("onto") });
      expect(statusName((await served.nfs.getattr({ object: old })).status)).toBe("NFS3ERR_STALE");
    });
  });

  it("FSSTAT, FSINFO, PATHCONF and ACCESS answer for any object", async () => {
    const object = await create("info");
    expect(await served.nfs.fsstat({ fsroot: object })).toMatchObject({ status: 0, resok: { invarsec: 0 } });
    expect(await served.nfs.fsinfo({ fsroot: object })).toMatchObject({ status: 0, resok: { rtmax: 524_288 } });
    expect(await served.nfs.pathconf({ object })).toMatchObject({ status: 0, resok: { nameMax: 255, noTrunc: true } });
    expect(await served.nfs.access({ object, access: 0x3f })).toMatchObject({ status: 0, resok: { access: 0x0d } });
  });

  it("changes nothing where it is read-only", async () => {
    await using readOnly = await Served.start(folder, { readOnly: true });
    writeFileSync(served.path("kept"), "kept");
    const { nfs } = readOnly;
    const file = await readOnly.find("kept");
    const place = { dir: readOnly.root, name: bytes("kept") };
    const free = { dir: readOnly.root, name: bytes("free") };
    const how = { mode: Createmode3.UNCHECKED, objAttributes: sattr() };
    const symlink = { symlinkAttributes: sattr(), symlinkData: bytes("x") };
    const results = await Promise.all([
      nfs.setattr({ object: file, newAttributes: sattr({ size: { setIt: true, size: 0n } }), guard: { check: false } }),
      nfs.write({ file, offset: 0n, count: 1, stable: 0, data: bytes("x") }),
      nfs.create({ where: free, how }),
      nfs.mkdir({ where: free, attributes: sattr() }),
      nfs.symlink({ where: free, symlink }),
      nfs.remove({ object: place }),
      nfs.rmdir({ object: place }),
      nfs.rename({ from: place, to: free }),
      nfs.link({ file, link: free }),
    ]);
    expect(results.map(({ status }) => statusName(status))).toEqual(results.map(() => "NFS3ERR_ROFS"));
    expect([existsSync(served.path("free")), lstatSync(served.path("kept")).size]).toEqual([false, 4]);
    expect(await nfs.access({ object: file, access: 0x3f })).toMatchObject({ resok: { access: 0x01 } });
  });
});

/** The attributes after an operation, from either arm of its result. */
function afterIn(result: { resok?: object; resfail?: object }, field: string): PostOpAttr {
  return ((result.resok ?? result.resfail) as Record<string, WccData>)[field]?.after as PostOpAttr;
}

function timeOf(ns: bigint): { seconds: number; nseconds: number } {
  return { seconds: Number(ns / 1_000_000_000n), nseconds: Number(ns % 1_000_000_000n) };
}
