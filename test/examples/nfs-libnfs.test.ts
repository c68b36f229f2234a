import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../support/processes.js";
import { describeWith } from "../support/requirements.js";
import { binders, forEither, runInRpcbindNamespace } from "../support/rpcbind-namespace.js";
import { buildExamples, exampleProgram } from "./built.js";
import { Folder, Served } from "./nfs-support.js";

// The server as other people's clients see it: libnfs with its tools, and showmount of Linux's nfs-utils.

const megabyte = 1024 * 1024;

const urlAt = (port: number, path: string) =>
  `nfs://127.0.0.1/${join("export", path)}?version=3&nfsport=${port}&mountport=${port}`;

describeWith(["nfs-ls", "nfs-cp", "nfs-cat"], "libnfs with the NFS server", () => {
  let folder: Folder;
  let served: Served;

  beforeAll(async () => {
    folder = new Folder();
    mkdirSync(folder.at("export/tree/deep/er"), { recursive: true });
    writeFileSync(folder.at("export/tree/file"), "in the tree\n");
    writeFileSync(folder.at("export/tree/deep/er/last"), "the last\n");
    writeFileSync(folder.at("decoy"), "root:x:0:0:not served\n");
    symlinkSync(folder.at("decoy"), folder.at("export/passwd"));
    symlinkSync("tree/file", folder.at("export/inside"));
    // As it is used: every change on the disk before it is answered.
    served = await Served.start(folder, { durable: true });
  });

  afterAll(async () => {
    await served[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  const url = (path: string) => urlAt(served.port, path);

  it("lists a tree", async () => {
    const { code, lines, stderr } = await run("nfs-ls", ["-R", url("")]);
    expect(code, stderr).toBe(0);
    const names = lines.map((line) => line.replace(/^(\S{10}).* (\S+)$/, "$1 $2")).sort();
    expect(names).toEqual([
      "-rw-r--r-- tree/deep/er/last",
      "-rw-r--r-- tree/file",
      "drwxr-xr-x tree",
      "drwxr-xr-x tree/deep",
      "drwxr-xr-x tree/deep/er",
      expect.stringMatching(/^lrwxrwxrwx (inside|passwd)$/),
      expect.stringMatching(/^lrwxrwxrwx (inside|passwd)$/),
    ]);
  });

  it("copies 4 MB there and back", async () => {
    const data = randomBytes(4 * megabyte);
    writeFileSync(folder.at("local"), data);
    const there = await run("nfs-cp", [folder.at("local"), url("copied")]);
    expect(there.code, there.stderr).toBe(0);
    expect(readFileSync(served.path("copied")).equals(data)).toBe(true);
    const back = await run("nfs-cp", [url("copied"), folder.at("back")]);
    expect(back.code, back.stderr).toBe(0);
    expect(readFileSync(folder.at("back")).equals(data)).toBe(true);
  });

  it.each([
    ["a file", "tree/deep/er/last", "the last\n"],
    ["through a link inside, which the client follows", "inside", "in the tree\n"],
  ])("prints %s", async (_what, path, text) => {
    expect(await run("nfs-cat", [url(path)])).toMatchObject({ code: 0, stdout: text });
  });

  it("does not get out through a link", async () => {
    const { stdout } = await run("nfs-cat", [url("passwd")]);
    expect(stdout).toBe("");
  });

  it("lists 10,000 entries", { timeout: 60_000 }, async () => {
    using large = new Folder("many");
    mkdirSync(large.at("export"));
    for (let i = 0; i < 10_000; i++) writeFileSync(large.at("export", `file-${i}`), "");
    await using crowd = await Served.start(large);
    const { code, lines, stderr } = await run("nfs-ls", [urlAt(crowd.port, "")]);
    expect(code, stderr).toBe(0);
    expect(new Set(lines.map((line) => line.split(" ").at(-1))).size).toBe(10_000);
  });
});

describe.each(binders)("the NFS server, registered with %s", (binder) => {
  describeWith([...forEither[binder], "showmount", "nfs-ls", "rpcinfo"], "and other people's clients", () => {
    beforeAll(buildExamples);

    it("is found without ports, shows what it exports, and who mounted it", { timeout: 60_000 }, async () => {
      using folder = new Folder();
      mkdirSync(folder.at("export"));
      writeFileSync(folder.at("export/file"), "found\n");
      const { code, lines, stderr } = await runInRpcbindNamespace(
        [
          "bash",
          "-c",
          `exec 3< <(exec ${process.execPath} ${exampleProgram("nfs-server/main.js")} --dir ${folder.at("export")} \\
         --export /srv/files --port 0 --mount-port 0 --register)
       server=$!
       for _ in 1 2 3; do read -r _ <&3; done
       showmount -e 127.0.0.1
       nfs-cat 'nfs://127.0.0.1/srv/files/file?version=3'
       ${process.execPath} ${exampleProgram("nfs-client/main.js")} cat nfs://127.0.0.1/srv/files/file
       showmount -a 127.0.0.1
       kill "$server"; wait "$server"
       rpcinfo -p 127.0.0.1 | grep -c -e nfs -e mountd`,
        ],
        { binder },
      );
      expect(lines, stderr).toEqual([
        "Export list for 127.0.0.1:",
        "/srv/files (everyone)",
        "found",
        "found",
        "All mount points on 127.0.0.1:",
        "127.0.0.1:/srv/files",
        // Both registrations are taken back.
        "0",
      ]);
      expect(code).toBe(1);
    });
  });
});
