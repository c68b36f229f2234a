import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { encode } from "farcall/xdr";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Nfsstat3, xdrReaddirplus3resok } from "../../examples/nfs-server/nfs.js";
import { bytes, Folder, listing, pages, Served, statusName } from "./nfs-support.js";

describe.skipIf(process.platform !== "linux")("READDIR and READDIRPLUS of the NFS server", () => {
  const many = 10_000;
  let large: Folder;
  let crowd: Served;

  beforeAll(async () => {
    large = new Folder("many");
    mkdirSync(large.at("export"));
    for (let i = 0; i < many; i++) writeFileSync(large.at("export", `file-${i}`), "");
    crowd = await Served.start(large);
  });

  afterAll(async () => {
    await crowd[Symbol.asyncDispose]();
    large[Symbol.dispose]();
  });

  it.each([
    ["small pages", 1_000],
    ["usual pages", 65_536],
    ["the largest pages", 4_294_967_295],
  ])("list 10,000 entries, each once, in %s", { timeout: 60_000 }, async (_what, size) => {
    const names = (await listing(crowd, crowd.root, size)).map(({ name }) => Buffer.from(name).toString());
    expect(names.length).toBe(many + 2);
    expect(new Set(names).size).toBe(many + 2);
  });

  it("never answer with more bytes than asked for", async () => {
    for (const size of [512, 4_096, 32_768]) {
      const result = await crowd.nfs.readdirplus({
        dir: crowd.root,
        cookie: 0n,
        cookieverf: new Uint8Array(8),
        dircount: size,
        maxcount: size,
      });
      if (result.status !== Nfsstat3.NFS3_OK) throw new Error(statusName(result.status));
      expect(encode(xdrReaddirplus3resok, result.resok).length).toBeLessThanOrEqual(size);
    }
  });

  it("go on where they were while entries are removed and created", async () => {
    using folder = new Folder();
    mkdirSync(folder.at("export"));
    for (let i = 0; i < 500; i++) writeFileSync(folder.at("export", `${i}`), "");
    await using served = await Served.start(folder);
    const seen: string[] = [];
    let round = 0;
    for await (const page of pages(served, served.root, 4_096)) {
      for (const { name } of page) {
        const text = Buffer.from(name).toString();
        seen.push(text);
        if (/^\d+$/.test(text)) rmSync(served.path(text));
      }
      writeFileSync(served.path(`new-${round++}`), "");
    }
    const old = seen.filter((name) => /^\d+$/.test(name));
    expect([old.length, new Set(old).size]).toEqual([500, 500]);
    expect(new Set(seen).size).toBe(seen.length);
  });

  it.each([
    ["no entry fits", 0n, 100, "NFS3ERR_TOOSMALL"],
    ["the cookie is of another time", 77n, 4_096, "NFS3ERR_BAD_COOKIE"],
  ])("refuse where %s", async (_what, cookie, count, status) => {
    const result = await crowd.nfs.readdir({ dir: crowd.root, cookie, cookieverf: bytes("another!"), count });
    expect(statusName(result.status)).toBe(status);
  });
});
