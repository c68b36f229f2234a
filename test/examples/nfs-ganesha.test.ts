import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { beforeAll, expect, it } from "vitest";
import { describeWith } from "../support/requirements.js";
import { forRpcbind, runInRpcbindNamespace } from "../support/rpcbind-namespace.js";
import { buildExamples, exampleProgram } from "./built.js";
import { Folder } from "./nfs-support.js";

// The client with other people's server: nfs-ganesha over a directory. It does not start without rpcbind, so both run
// where one listens that belongs to nobody else, and the client asks it for the ports.

const megabyte = 1024 * 1024;

describeWith([...forRpcbind, "ganesha.nfsd"], "the NFS client with nfs-ganesha", () => {
  beforeAll(buildExamples);

  it("lists, reads, writes, makes, renames and removes", { timeout: 90_000 }, async () => {
    using folder = new Folder("many");
    for (const name of ["export", "export/many", "recovery"]) mkdirSync(folder.at(name));
    writeFileSync(folder.at("ganesha.conf"), configuration(folder));
    const [up, down] = [randomBytes(4 * megabyte + 1), randomBytes(4 * megabyte + 1)];
    writeFileSync(folder.at("up"), up);
    writeFileSync(folder.at("export/down"), down);
    symlinkSync("down", folder.at("export/link"));
    for (let i = 0; i < 10_000; i++) writeFileSync(folder.at("export/many", `file-${i}`), "");

    const { lines, stderr } = await runInRpcbindNamespace(
      [
        "bash",
        "-c",
        `ganesha.nfsd -F -f ${folder.at("ganesha.conf")} -L ${folder.at("log")} -p ${folder.at("pid")} -N NIV_EVENT &
         for _ in $(seq 200); do rpcinfo -t 127.0.0.1 100005 3 >/dev/null 2>&1 && break; sleep 0.1; done
         nfs() { ${process.execPath} ${exampleProgram("nfs-client/main.js")} "$@" 2>&1; }
         url=nfs://127.0.0.1${folder.at("export")}
         nfs ls $url | awk '{ print substr($1, 1, 1), $2, $NF }' | sort -k 3
         nfs ls $url/many | awk '{ print $NF }' | sort -u | wc -l
         nfs get $url/down ${folder.at("got")}
         nfs put ${folder.at("up")} $url/put
         nfs mkdir $url/dir
         nfs mv $url/put ${folder.at("export/dir/moved")}
         nfs ls $url/dir | awk '{ print $1, $NF }'
         nfs rmdir $url/dir
         nfs rm $url/down
         nfs cat $url/down
         nfs cat $url/link`,
      ],
      { timeoutMs: 80_000 },
    );
    expect(lines, `${stderr}\n${logOf(folder)}`).toEqual([
      `- ${down.length} down`,
      "l 4 link",
      expect.stringMatching(/^d \d+ many$/),
      "10000",
      `${up.length} bytes`,
      "-rw-r--r-- moved",
      "/dir: NFS3ERR_NOTEMPTY",
      "/down: NFS3ERR_NOENT",
      "/link: not a regular file",
    ]);
    expect(readFileSync(folder.at("got")).equals(down)).toBe(true);
    expect(readFileSync(folder.at("export/dir/moved")).equals(up)).toBe(true);
  });
});

function configuration(folder: Folder): string {
  return `
    NFS_CORE_PARAM { Protocols = 3; NFS_Port = 2049; MNT_Port = 20048; Enable_NLM = false; Enable_RQUOTA = false; }
    NFSV4 { RecoveryBackend = fs; RecoveryRoot = "${folder.at("recovery")}"; Graceless = true; }
    EXPORT {
      Export_Id = 1; Path = "${folder.at("export")}"; Pseudo = "/export"; Access_Type = RW; Squash = No_Root_Squash;
      SecType = sys; Protocols = 3; Transports = TCP; FSAL { Name = VFS; }
    }`;
}

function logOf(folder: Folder): string {
  try {
    return readFileSync(folder.at("log"), "utf8").slice(-2_000);
  } catch {
    return "no log";
  }
}
