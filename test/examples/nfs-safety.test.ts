import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Createmode3, type NfsFh3, Nfsstat3, StableHow } from "../../examples/nfs-server/nfs.js";
import { Running, run } from "../support/processes.js";
import { bytes, Folder, mounted, Served, sattr, statusName } from "./nfs-support.js";

// Whoever reaches the port may send anything, and who works on the server itself may put links anywhere: neither
// leads out of the exported directory, and no handle opens what it was not given out for.

describe.skipIf(process.platform !== "linux")("the NFS server is safe against", () => {
  let folder: Folder;
  let served: Served;

  beforeEach(async () => {
    folder = new Folder();
    mkdirSync(folder.at("export/dir"), { recursive: true });
    mkdirSync(folder.at("outside"));
    writeFileSync(folder.at("outside/secret"), "secret");
    writeFileSync(folder.at("export/dir/secret"), "public");
    served = await Served.start(folder);
  });

  afterEach(async () => {
    await served[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  const getattr = async (object: NfsFh3) => statusName((await served.nfs.getattr({ object })).status);
  const lookup = (name: string | Uint8Array, dir: NfsFh3 = served.root) =>
    served.nfs.lookup({ what: { dir, name: typeof name === "string" ? bytes(name) : name } });

  describe("names:", () => {
    it("`..` of the root is the root, and of a directory what is above it", async () => {
      expect(await served.find("..")).toEqual(served.root);
      expect(await served.find("..", "..", "dir", "..", "..")).toEqual(served.root);
      expect(await served.find("dir", ".")).toEqual(await served.find("dir"));
    });

    const bad: readonly [string, Uint8Array, string][] = [
      ["with a slash", bytes("dir/secret"), "NFS3ERR_ACCES"],
      ["that climb", bytes("../outside/secret"), "NFS3ERR_ACCES"],
      ["that are paths", bytes("/etc/passwd"), "NFS3ERR_ACCES"],
      ["with a zero byte", bytes("dir\0"), "NFS3ERR_ACCES"],
      ["that are empty", bytes(""), "NFS3ERR_ACCES"],
      ["that are too long", new Uint8Array(256).fill(97), "NFS3ERR_NAMETOOLONG"],
    ];

    it.each(bad)("names %s are refused by every procedure", async (_what, name, status) => {
      expect(await statusesOf(name)).toEqual(Array(10).fill(status));
    });

    it.each([["."], [".."]])("%s is no name to create, change or remove", async (name) => {
      // LOOKUP alone knows it.
      expect((await statusesOf(bytes(name))).slice(1)).toEqual(Array(9).fill("NFS3ERR_INVAL"));
    });

    async function statusesOf(name: Uint8Array): Promise<string[]> {
      const { nfs, root: dir } = served;
      const [place, good] = [
        { dir, name },
        { dir, name: bytes("dir") },
      ];
      const symlink = { symlinkAttributes: sattr(), symlinkData: bytes("x") };
      const file = await served.find("dir", "secret");
      const results = [
        await lookup(name),
        await nfs.create({ where: place, how: { mode: Createmode3.UNCHECKED, objAttributes: sattr() } }),
        await nfs.create({ where: place, how: { mode: Createmode3.EXCLUSIVE, verf: bytes("verifier") } }),
        await nfs.mkdir({ where: place, attributes: sattr() }),
        await nfs.symlink({ where: place, symlink }),
        await nfs.remove({ object: place }),
        await nfs.rmdir({ object: place }),
        await nfs.rename({ from: place, to: good }),
        await nfs.rename({ from: good, to: place }),
        await nfs.link({ file, link: place }),
      ];
      return results.map(({ status }) => statusName(status));
    }

    it.each([
      ["/export/../outside"],
      ["/export/dir/../../outside"],
      ["/etc"],
      ["/"],
      ["export"],
      ["/exported"],
      ["/export/nobody"],
      ["/export/dir/secret"],
    ])("%s cannot be mounted", async (path) => {
      await expect(mounted(served.server.mountAddress, path)).rejects.toThrow(/^mount/);
    });

    it("a directory inside can be mounted, by its own handle", async () => {
      expect(await mounted(served.server.mountAddress, "/export/dir/")).toEqual(await served.find("dir"));
    });
  });

  describe("symbolic links:", () => {
    beforeEach(() => {
      // A decoy: where the guard is broken, this is what gets truncated.
      symlinkSync(folder.at("outside/secret"), served.path("passwd"));
      symlinkSync(folder.at("outside"), served.path("out"));
    });

    it("a link to a file is never read, written or truncated through", async () => {
      const file = await served.find("passwd");
      const data = bytes("x");
      const newAttributes = sattr({ size: { setIt: true, size: 0n } });
      const results = [
        await served.nfs.read({ file, offset: 0n, count: 100 }),
        await served.nfs.write({ file, offset: 0n, count: 1, stable: StableHow.UNSTABLE, data }),
        await served.nfs.commit({ file, offset: 0n, count: 0 }),
        await served.nfs.setattr({ object: file, newAttributes, guard: { check: false } }),
      ];
      expect(results.map(({ status }) => statusName(status))).toEqual(Array(4).fill("NFS3ERR_INVAL"));
      expect(readFileSync(folder.at("outside/secret"), "utf8")).toBe("secret");
    });

    it("a link to a directory is never entered, nor mounted", async () => {
      const dir = await served.find("out");
      expect(statusName((await lookup("secret", dir)).status)).toBe("NFS3ERR_NOTDIR");
      const cookieverf = new Uint8Array(8);
      const listed = await served.nfs.readdir({ dir, cookie: 0n, cookieverf, count: 4_096 });
      expect(statusName(listed.status)).toBe("NFS3ERR_NOTDIR");
      await expect(mounted(served.server.mountAddress, "/export/out")).rejects.toThrow("20");
    });

    it("CREATE does not follow a link, whatever it points to", async () => {
      symlinkSync(folder.at("outside/new"), served.path("dangling"));
      for (const name of ["passwd", "dangling"]) {
        const how = { mode: Createmode3.UNCHECKED, objAttributes: sattr({ size: { setIt: true, size: 0n } }) };
        const result = await served.nfs.create({ where: { dir: served.root, name: bytes(name) }, how });
        expect(statusName(result.status)).toBe("NFS3ERR_EXIST");
      }
      expect(readFileSync(folder.at("outside/secret"), "utf8")).toBe("secret");
      expect(existsSync(folder.at("outside/new"))).toBe(false);
    });

    it("mode and times of a link are its own", async () => {
      symlinkSync(folder.at("outside/secret"), served.path("to-secret"));
      const object = await served.find("to-secret");
      const mtime = { seconds: 1, nseconds: 0 };
      const newAttributes = sattr({ mode: { setIt: true, mode: 0o777 }, mtime: { setIt: 2, mtime } });
      expect((await served.nfs.setattr({ object, newAttributes, guard: { check: false } })).status).toBe(0);
      expect(await served.nfs.getattr({ object })).toMatchObject({ resok: { objAttributes: { mtime } } });
      expect(statSync(folder.at("outside/secret")).mtimeMs).toBeGreaterThan(1_000);
    });

    it("a directory that becomes a link, after its handle was given out, leads nowhere", async () => {
      const dir = await served.find("dir");
      const file = await served.find("dir", "secret");
      renameSync(served.path("dir"), folder.at("moved"));
      symlinkSync(folder.at("outside"), served.path("dir"));
      expect(await getattr(dir)).toBe("NFS3ERR_STALE");
      expect(await getattr(file)).toBe("NFS3ERR_STALE");
      expect(statusName((await lookup("secret", dir)).status)).toBe("NFS3ERR_STALE");
    });

    it("a directory that is swapped for a link again and again gives its own file or none", {
      timeout: 60_000,
    }, async () => {
      const dir = await served.find("dir");
      const child = await startSwapping(served.path("dir"), folder.at("aside"), folder.at("outside"));
      let own = 0;
      try {
        for (let i = 0; i < 500; i++) {
          const found = await lookup("secret", dir);
          if (found.status !== Nfsstat3.NFS3_OK) continue;
          const result = await served.nfs.read({ file: found.resok.object, offset: 0n, count: 100 });
          if (result.status !== Nfsstat3.NFS3_OK) continue;
          expect(Buffer.from(result.resok.data).toString()).toBe("public");
          own++;
        }
      } finally {
        await child.stop();
      }
      expect(child.swaps()).toBeGreaterThan(100);
      expect(own).toBeGreaterThan(0);
    });
  });

  describe("handles:", () => {
    it("one of a deleted file is stale, even when a new file has its name and its inode", async () => {
      const file = await served.find("dir", "secret");
      unlinkSync(served.path("dir/secret"));
      for (const name of ["dir/secret", "1", "2", "3"]) writeFileSync(served.path(name), "new");
      expect(await getattr(file)).toBe("NFS3ERR_STALE");
      expect(statusName((await served.nfs.read({ file, offset: 0n, count: 9 })).status)).toBe("NFS3ERR_STALE");
    });

    it("one of a file that was moved out of the directory is stale", async () => {
      const file = await served.find("dir", "secret");
      renameSync(served.path("dir/secret"), folder.at("outside/taken"));
      expect(await getattr(file)).toBe("NFS3ERR_STALE");
    });

    it.each<[string, (handle: Buffer) => Uint8Array]>([
      ["an empty one", () => new Uint8Array(0)],
      ["a short one", (handle) => handle.subarray(0, 20)],
      ["a long one", (handle) => Buffer.concat([handle, Buffer.alloc(31)])],
      ["64 zero bytes", () => new Uint8Array(64)],
      ["another version", (handle) => flipped(handle, 0)],
      ["another inode", (handle) => flipped(handle, 8)],
      ["another generation", (handle) => flipped(handle, 16)],
      ["another seal", (handle) => flipped(handle, 17)],
      ["a seal wrong at its end", (handle) => flipped(handle, 32)],
    ])("%s is refused", async (_what, forge) => {
      expect(await getattr({ data: forge(Buffer.from(served.root.data)) })).toBe("NFS3ERR_BADHANDLE");
    });

    it("those of another directory, or of another key, are refused", async () => {
      const key = new Uint8Array(32).fill(7);
      mkdirSync(folder.at("second/export"), { recursive: true });
      await using first = await Served.start(folder, { key });
      await using other = await Served.start(folder, { key, directory: folder.at("second/export") });
      const status = async (handle: NfsFh3) => statusName((await other.nfs.getattr({ object: handle })).status);
      expect([await status(other.root), await status(first.root), await status(served.root)]).toEqual([
        "NFS3_OK",
        "NFS3ERR_BADHANDLE",
        "NFS3ERR_BADHANDLE",
      ]);
    });

    it("with the same key outlive a restart, and the write verifier does not", async () => {
      const key = new Uint8Array(32).fill(7);
      const verifiers: string[] = [];
      let file: NfsFh3 | undefined;
      for (let round = 0; round < 2; round++) {
        await using again = await Served.start(folder, { key });
        file ??= await again.find("dir", "secret");
        const result = await again.nfs.write({
          file,
          offset: 0n,
          count: 1,
          stable: StableHow.UNSTABLE,
          data: bytes("P"),
        });
        if (result.status !== Nfsstat3.NFS3_OK) throw new Error(statusName(result.status));
        verifiers.push(Buffer.from(result.resok.verf).toString("hex"));
      }
      expect(new Set(verifiers).size).toBe(2);
      expect(readFileSync(served.path("dir/secret"), "utf8")).toBe("Public");
    });

    it("of an exported directory that is gone are stale, and the server goes on", async () => {
      rmSync(served.path(), { recursive: true });
      const how = { mode: Createmode3.UNCHECKED, objAttributes: sattr() };
      const result = await served.nfs.create({ where: { dir: served.root, name: bytes("x") }, how });
      expect(statusName(result.status)).toBe("NFS3ERR_NOENT");
      await served.nfs.null();
    });
  });

  it("special files: a pipe is not waited for", async () => {
    await run("mkfifo", [served.path("pipe")]);
    const file = await served.find("pipe");
    expect(statusName((await served.nfs.read({ file, offset: 0n, count: 1 })).status)).toBe("NFS3ERR_INVAL");
    const how = { mode: Createmode3.UNCHECKED, objAttributes: sattr() };
    const result = await served.nfs.create({ where: { dir: served.root, name: bytes("pipe") }, how });
    expect(statusName(result.status)).toBe("NFS3ERR_EXIST");
  });
});

function flipped(handle: Buffer, at: number): Uint8Array {
  const copy = Buffer.from(handle);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}

/** A process that swaps a directory for a link to another, and back, as fast as it can. */
async function startSwapping(directory: string, aside: string, target: string) {
  const script = `
    const fs = require("node:fs");
    const [directory, aside, target] = process.argv.slice(1);
    let swaps = 0;
    console.log("READY");
    const step = () => {
      for (let i = 0; i < 50; i++) {
        fs.renameSync(directory, aside);
        fs.symlinkSync(target, directory);
        fs.unlinkSync(directory);
        fs.renameSync(aside, directory);
      }
      console.log(String(swaps += 50));
      setTimeout(step, 1);
    };
    step();`;
  const child = new Running(process.execPath, ["-e", script, directory, aside, target]);
  await child.line(/READY/);
  return { stop: () => child.stop(), swaps: () => Number(child.lines.at(-1)) };
}
