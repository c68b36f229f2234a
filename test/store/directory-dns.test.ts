import { afterEach, expect, it } from "vitest";
import { binderAt, connect, Directory, Server } from "../../src/index.js";
import { type DnsDirectoryStoreOptions, dnsDirectoryStore } from "../../src/store/index.js";
import { type Dnsmasq, startDnsmasq } from "../support/dnsmasq.js";
import { describeWith } from "../support/requirements.js";
import { StoreV1 } from "../support/store.js";
import { eventually } from "./directory-contract.js";

const records = [
  "_calc._tcp.farcall.test,one.farcall.test,1001,20,5",
  "_calc._tcp.farcall.test,two.farcall.test,1002,10,0",
  "_calc._udp.farcall.test,one.farcall.test,1003,10,1",
];

describeWith(["dnsmasq"], "a directory in DNS", () => {
  const open: AsyncDisposable[] = [];
  const kept = <T extends AsyncDisposable>(resource: T): T => {
    open.unshift(resource);
    return resource;
  };
  afterEach(async () => {
    for (const resource of open.splice(0)) await resource[Symbol.asyncDispose]();
  });
  const serve = async (lines: readonly string[] = records): Promise<Dnsmasq> => kept(await startDnsmasq(lines));
  const openStore = (dns: Dnsmasq, more: Partial<DnsDirectoryStoreOptions> = {}) => {
    const store = dnsDirectoryStore({ domain: "farcall.test", servers: [dns.server], timeoutMs: 500, ...more });
    kept({ [Symbol.asyncDispose]: () => store.close() });
    return store;
  };

  it("has the instances of SRV records, by priority, with their weights, for every version", async () => {
    const store = openStore(await serve());
    const { entries, complete } = await store.find("calc", 7);
    expect(complete).toBe(true);
    expect(entries.map(({ address, priority, weight }) => ({ address, priority, weight }))).toEqual([
      { address: "tcp://two.farcall.test:1002", priority: 10, weight: 0 },
      { address: "tcp://one.farcall.test:1001", priority: 20, weight: 5 },
    ]);
  });

  it("looks for the transports that it is told", async () => {
    const store = openStore(await serve(), { transports: ["tls", "udp"] });
    const { entries } = await store.find("calc");
    const tls = ["tls://two.farcall.test:1002", "tls://one.farcall.test:1001"];
    expect(entries.map(({ address }) => address).sort()).toEqual([...tls, "udp://one.farcall.test:1003"].sort());
  });

  it.each([["nobody"], ["a/b"], ["Zoë"], ["x".repeat(64)], ["a.calc"], ["*"], [""]])("has no name %s", async (name) => {
    const store = openStore(await serve());
    expect(await store.find(name)).toEqual({ entries: [], complete: true });
  });

  it("is for reading only", async () => {
    const store = openStore(await serve());
    expect(store.writable).toBe(false);
    await expect(store.put({} as never)).rejects.toThrow(/reading only/);
    expect([await store.renew("x"), await store.remove("x")]).toEqual([false, false]);
  });

  it("gives what it knew last while no name server answers, and says so", async () => {
    const dns = await serve();
    const store = openStore(dns, { refreshMs: 0 });
    const { entries } = await store.find("calc");
    await dns.stop();
    expect(await store.find("calc")).toEqual({ entries, complete: false });
    expect(await store.find("other")).toEqual({ entries: [], complete: false });
  });

  it("tells of records that have changed", async () => {
    const dns = await serve();
    const store = openStore(dns, { refreshMs: 50 });
    const told: string[] = [];
    store.watch((name) => told.push(name));
    await store.find("calc");
    await dns.restart(records.slice(1));
    await eventually(() => expect(told).toContain("calc"));
    expect((await store.find("calc")).entries.map(({ address }) => address)).toEqual(["tcp://two.farcall.test:1002"]);
  });

  it("leads a client to the server, by way of a directory that says that it only reads", async () => {
    const server = kept(new Server().export(StoreV1, { read: () => 9, write: () => true, log: () => {} }));
    const port = Number((await server.listen("tcp://127.0.0.1:0")).split(":").at(-1));
    // The system's resolver, which makes an address of the target, knows this one everywhere.
    const dns = await serve([`_store._tcp.farcall.test,localhost,${port},1,1`]);
    const directory = kept(new Directory({ store: openStore(dns) }));
    const binder = kept(new Server().export(directory.service, directory.handlers));
    const address = await binder.listen("tcp://127.0.0.1:0");
    const resolver = kept(binderAt(address));
    await using store = await connect(StoreV1, "name:store", { resolver });
    expect(await store.read("a")).toBe(9);
    await expect(server.register({ name: "store", binder: address })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("read-only"),
    });
  });
});
