import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "farcall";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  FILE_DATA_MAX,
  type FileHandle,
  FileStatus,
  OpenMode,
  SeekFrom,
  StatefulFilesV1,
  type StatefulFilesV1Client,
  StatelessFilesV1,
} from "../../examples/file-service/files.js";
import { fileSizeMax } from "../../examples/file-service/folder.js";
import { FileService } from "../../examples/file-service/service.js";
import { openFilesMax } from "../../examples/file-service/stateful.js";
import { run } from "../support/processes.js";

const text = "The quick brown fox jumps over the lazy dog.\n";
const name = "fox.txt";

let home: string;
let folder: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "farcall-file-service-"));
  folder = join(home, "served");
  mkdirSync(folder);
  writeFileSync(join(folder, name), text);
  writeFileSync(join(home, "secret"), "not for you");
});

afterEach(() => rmSync(home, { recursive: true }));

describe("the stateful file service", () => {
  it("reads on from where it was", async () => {
    await using service = await FileService.start({ folder });
    await using files = await connect(StatefulFilesV1, service.address);
    const handle = await openFile(files);
    expect(await readText(files, handle, 10)).toBe("The quick ");
    expect(await readText(files, handle, 10)).toBe("brown fox ");
    expect(await readText(files, handle, 100)).toBe("jumps over the lazy dog.\n");
    expect(await readText(files, handle, 100)).toBe("");
    expect(await files.seek(handle, -5n, SeekFrom.FROM_END)).toEqual(ok({ position: 40n }));
    expect(await readText(files, handle, 100)).toBe("dog.\n");
    expect(await files.seek(handle, 4n, SeekFrom.FROM_START)).toEqual(ok({ position: 4n }));
    expect(await files.seek(handle, 6n, SeekFrom.FROM_CURRENT)).toEqual(ok({ position: 10n }));
    expect(await files.seek(handle, -11n, SeekFrom.FROM_CURRENT)).toEqual({ status: FileStatus.FILE_OUT_OF_RANGE });
    expect(await readText(files, handle, 5)).toBe("brown");
    expect(await files.close(handle)).toBe(FileStatus.FILE_OK);
    expect(await files.read(handle, 1)).toEqual({ status: FileStatus.FILE_NOT_OPEN });
    expect(await files.close(handle)).toBe(FileStatus.FILE_NOT_OPEN);
  });

  it("gives calls that are sent at once their pieces in turn", async () => {
    await using service = await FileService.start({ folder, beforeIo: () => sleep(1) });
    await using files = await connect(StatefulFilesV1, service.address);
    const handle = await openFile(files);
    const pieces = await Promise.all(Array.from(text, () => readText(files, handle, 1)));
    expect(pieces.join("")).toBe(text);
  });

  it("writes, into files that are there and files that are not", async () => {
    await using service = await FileService.start({ folder });
    await using files = await connect(StatefulFilesV1, service.address);
    const handle = await openFile(files, OpenMode.OPEN_WRITE);
    await files.seek(handle, 4n, SeekFrom.FROM_START);
    expect(await files.write(handle, Buffer.from("QUICK"))).toEqual(ok({ position: 9n }));
    expect(await readText(files, handle, 6)).toBe(" brown");
    expect(await files.open("new.txt", OpenMode.OPEN_READ)).toEqual({ status: FileStatus.FILE_NO_ENTRY });
    expect(await files.open("new.txt", OpenMode.OPEN_WRITE)).toMatchObject(ok({}));
    expect(readFileSync(join(folder, name), "utf8")).toBe(text.replace("quick", "QUICK"));
    expect(readdirSync(folder).sort()).toEqual([name, "new.txt"]);
    const readOnly = await openFile(files);
    expect(await files.write(readOnly, Buffer.from("x"))).toEqual({ status: FileStatus.FILE_NOT_WRITABLE });
  });

  it("knows a handle in its own session only", async () => {
    await using service = await FileService.start({ folder });
    await using owner = await connect(StatefulFilesV1, service.address);
    await using thief = await connect(StatefulFilesV1, service.address);
    const handle = await openFile(owner);
    expect(await thief.read(handle, 10)).toEqual({ status: FileStatus.FILE_NOT_OPEN });
    expect(await thief.close(handle)).toBe(FileStatus.FILE_NOT_OPEN);
    expect(await readText(owner, handle, 3)).toBe("The");
  });

  it("calls a handle of an earlier boot stale, whatever has been opened since", async () => {
    const first = await FileService.start({ folder });
    await using files = await connect(StatefulFilesV1, first.address, { session: "off" });
    await using inSession = await connect(StatefulFilesV1, first.address, { session: "require" });
    const handle = await openFile(files);
    const held = await openFile(inSession);
    await readText(files, handle, 10);
    await first.close();
    await using second = await FileService.start({ folder, port: Number(new URL(first.address).port) });
    await using other = await connect(StatefulFilesV1, second.address);
    await openFile(other);
    for (const stale of [await files.read(handle, 10), await files.write(handle, Buffer.from("x"))]) {
      expect(stale).toEqual({ status: FileStatus.FILE_STALE });
    }
    expect(await files.close(handle)).toBe(FileStatus.FILE_STALE);
    expect(await readText(files, await openFile(files), 3)).toBe("The");
    // A session says so itself, of every call, until its user has heard it.
    await expect(inSession.read(held, 10)).rejects.toMatchObject({ code: "stale", executed: "no" });
    await expect(inSession.open(name, OpenMode.OPEN_READ)).rejects.toMatchObject({ code: "stale", executed: "no" });
    inSession.$renew();
    expect(await inSession.read(held, 10)).toEqual({ status: FileStatus.FILE_STALE });
    expect(await readText(inSession, await openFile(inSession), 3)).toBe("The");
  });

  it("closes what a client leaves open, and lets nobody open too much", async () => {
    await using service = await FileService.start({ folder });
    const greedy = await connect(StatefulFilesV1, service.address);
    const opened = await Promise.all(
      Array.from({ length: openFilesMax + 3 }, () => greedy.open(name, OpenMode.OPEN_READ)),
    );
    const refused = opened.filter(({ status }) => status === FileStatus.FILE_TOO_MANY_OPEN);
    expect(refused).toHaveLength(3);
    await using modest = await connect(StatefulFilesV1, service.address);
    await openFile(modest);
    if (process.platform === "linux") expect(descriptorsOf(folder)).toBe(openFilesMax + 1);
    await greedy.$close();
    if (process.platform === "linux") await vi.waitFor(() => expect(descriptorsOf(folder)).toBe(1));
  });
});

describe("the stateless file service", () => {
  it("reads and writes where it is told to", async () => {
    await using service = await FileService.start({ folder });
    await using files = await connect(StatelessFilesV1, service.address);
    const read = async (position: bigint, n: number) => {
      const result = await files.read(name, position, n);
      return "data" in result ? Buffer.from(result.data).toString() : result.status;
    };
    expect(await read(4n, 5)).toBe("quick");
    expect(await read(4n, 5)).toBe("quick");
    expect(await read(40n, 100)).toBe("dog.\n");
    expect(await read(2n ** 64n - 1n, 100)).toBe("");
    expect(await read(0n, FILE_DATA_MAX + 1)).toBe(FileStatus.FILE_OUT_OF_RANGE);
    for (let i = 0; i < 2; i++) {
      expect(await files.write(name, 4n, Buffer.from("QUICK"))).toEqual(ok({ position: 9n }));
    }
    expect(await read(0n, 100)).toBe(text.replace("quick", "QUICK"));
    expect(await files.read("none.txt", 0n, 1)).toEqual({ status: FileStatus.FILE_NO_ENTRY });
    expect(await files.write("new.txt", 2n, Buffer.from("!"))).toEqual(ok({ position: 3n }));
    expect(readFileSync(join(folder, "new.txt"), "latin1")).toBe("\0\0!");
  });

  it("moves large files whole", async () => {
    await using service = await FileService.start({ folder });
    await using files = await connect(StatelessFilesV1, service.address);
    const large = new Uint8Array(10 * FILE_DATA_MAX).map((_, i) => (i * 7 + (i >> 8)) & 0xff);
    for (let at = 0; at < large.length; at += FILE_DATA_MAX) {
      await files.write("large", BigInt(at), large.subarray(at, at + FILE_DATA_MAX));
    }
    expect(readFileSync(join(folder, "large")).equals(large)).toBe(true);
    const pieces: Uint8Array[] = [];
    for (;;) {
      const result = await files.read("large", BigInt(pieces.length * FILE_DATA_MAX), FILE_DATA_MAX);
      if (!("data" in result) || result.data.length === 0) break;
      pieces.push(result.data);
    }
    expect(Buffer.concat(pieces).equals(large)).toBe(true);
  });

  it("goes on after a restart as if nothing had happened", async () => {
    const first = await FileService.start({ folder });
    await using files = await connect(StatelessFilesV1, first.address);
    expect(await files.read(name, 0n, 3)).toMatchObject(ok({}));
    await first.close();
    const reading = files.read(name, 4n, 5);
    await using _second = await FileService.start({ folder, port: Number(new URL(first.address).port) });
    expect(await reading).toEqual(ok({ data: new Uint8Array(Buffer.from("quick")) }));
  });
});

describe("both", () => {
  it.each(["../secret", "..", ".", "", "/etc/passwd", "a/b", "a\\b", "fox.txt\0", "C:", "link", "folder", "fifo"])(
    "serve no file by the name %j",
    async (bad) => {
      symlinkSync("../secret", join(folder, "link"));
      mkdirSync(join(folder, "folder"));
      if (process.platform === "linux") await run("mkfifo", [join(folder, "fifo")]);
      else mkdirSync(join(folder, "fifo"));
      await using service = await FileService.start({ folder });
      await using stateful = await connect(StatefulFilesV1, service.address);
      await using stateless = await connect(StatelessFilesV1, service.address);
      const refused = { status: FileStatus.FILE_BAD_NAME };
      expect(await stateful.open(bad, OpenMode.OPEN_READ)).toEqual(refused);
      expect(await stateful.open(bad, OpenMode.OPEN_WRITE)).toEqual(refused);
      expect(await stateless.read(bad, 0n, 10)).toEqual(refused);
      expect(await stateless.write(bad, 0n, Buffer.from("x"))).toEqual(refused);
      expect(readFileSync(join(home, "secret"), "utf8")).toBe("not for you");
      expect(readdirSync(home).sort()).toEqual(["secret", "served"]);
    },
  );

  it("make no file larger than they say", async () => {
    await using service = await FileService.start({ folder });
    await using stateless = await connect(StatelessFilesV1, service.address);
    const tooFar = { status: FileStatus.FILE_OUT_OF_RANGE };
    expect(await stateless.write(name, BigInt(fileSizeMax), Buffer.from("x"))).toEqual(tooFar);
    expect(await stateless.write(name, 2n ** 64n - 1n, Buffer.from("x"))).toEqual(tooFar);
    await using stateful = await connect(StatefulFilesV1, service.address);
    const handle = await openFile(stateful, OpenMode.OPEN_WRITE);
    truncateSync(join(folder, name), 0);
    await stateful.seek(handle, BigInt(fileSizeMax), SeekFrom.FROM_START);
    expect(await stateful.write(handle, Buffer.from("x"))).toEqual(tooFar);
  });
});

function ok<T extends object>(rest: T): { status: 0 } & T {
  return { status: FileStatus.FILE_OK, ...rest };
}

async function openFile(files: StatefulFilesV1Client, mode: OpenMode = OpenMode.OPEN_READ): Promise<FileHandle> {
  const opened = await files.open(name, mode);
  if (opened.status !== FileStatus.FILE_OK) throw new Error(`status ${opened.status}`);
  return opened.handle;
}

async function readText(files: StatefulFilesV1Client, handle: FileHandle, n: number): Promise<string> {
  const result = await files.read(handle, n);
  if (result.status !== FileStatus.FILE_OK) throw new Error(`status ${result.status}`);
  return Buffer.from(result.data).toString();
}

/** How many files of a folder this process has open. */
function descriptorsOf(folder: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
    } catch {
      return false;
    }
  }).length;
}
