import { describe, expect, it } from "vitest";
import { ownerByLoopback } from "../../src/binder/daemon/owner.js";
import { mergeAddress } from "../../src/binder/registry/merge.js";
import { type Registration, Registry } from "../../src/binder/registry/registry.js";
import { mayForward } from "../../src/binder/registry/remote-calls.js";
import { fromSockaddr, toSockaddr } from "../../src/binder/registry/sockaddr.js";
import { formatState, parseState } from "../../src/binder/registry/state.js";
import { BinderStatistics, countedMax } from "../../src/binder/registry/statistics.js";
import { ipBytes, ipText, isLoopback, isWildcard, parseUniversalAddress } from "../../src/binder/registry/uaddr.js";
import { fromHex, toHex } from "../support/raw-messages.js";

const entry = (more: Partial<Registration> = {}): Registration => ({
  prog: 7,
  vers: 1,
  netid: "tcp",
  addr: "0.0.0.0.8.1",
  owner: "1000",
  ...more,
});

describe("the registry", () => {
  it("keeps one address for a version and netid, and says which it has", () => {
    const registry = new Registry();
    expect(registry.set(entry())).toBe("new");
    expect(registry.set(entry({ owner: "1001" }))).toBe("same");
    expect(registry.set(entry({ addr: "0.0.0.0.8.2" }))).toBe("taken");
    expect(registry.set(entry({ netid: "udp", addr: "0.0.0.0.8.2" }))).toBe("new");
    expect([...registry.all()]).toEqual([entry(), entry({ netid: "udp", addr: "0.0.0.0.8.2" })]);
  });

  it("finds another version where the one asked for is missing, unless it has to be that one", () => {
    const registry = new Registry();
    for (const vers of [2, 4]) registry.set(entry({ vers }));
    expect(registry.find(7, 4, "tcp", false)?.vers).toBe(4);
    expect(registry.find(7, 3, "tcp", false)?.vers).toBe(4);
    expect(registry.find(7, 3, "tcp", true)).toBeUndefined();
    expect(registry.find(7, 4, "udp", false)).toBeUndefined();
    expect(registry.versionsOf(7, "tcp")).toEqual([2, 4]);
  });

  it("lets the owner and the superuser take back, of one netid or of all, and nobody else anything", () => {
    const registry = new Registry();
    for (const netid of ["tcp", "udp"]) registry.set(entry({ netid }));
    registry.set(entry({ netid: "local", addr: "/run/x", owner: "superuser" }));
    expect(registry.unset(7, 1, "tcp", "1001")).toBeUndefined();
    expect(registry.unset(7, 1, "", "1000")).toBeUndefined();
    expect(registry.size).toBe(3);
    expect(registry.unset(7, 1, "tcp", "1000")).toEqual([entry()]);
    expect(registry.unset(7, 1, "tcp", "1000")).toEqual([]);
    expect(registry.unset(7, 1, "", "superuser")).toHaveLength(2);
    expect(registry.size).toBe(0);
  });

  it("takes nothing for rpcbind itself, of an unknown kind of transport, or from what is permanent", () => {
    const registry = new Registry();
    registry.addPermanent(entry({ prog: 100_000 }));
    expect(registry.set(entry({ prog: 100_000, vers: 9 }))).toBe("refused");
    expect(registry.set(entry({ netid: "ticlts" }))).toBe("refused");
    expect(registry.unset(100_000, 1, "", "superuser")).toBeUndefined();
  });

  it("is full at its limits, of all and of one owner, and the superuser has the rest", () => {
    const registry = new Registry({ registrationsMax: 4, registrationsPerOwnerMax: 2 });
    const set = (vers: number, owner: string): string => registry.set(entry({ vers, owner }));
    expect([set(1, "a"), set(2, "a"), set(3, "a")]).toEqual(["new", "new", "full"]);
    expect([set(4, "superuser"), set(5, "superuser"), set(6, "superuser")]).toEqual(["new", "new", "full"]);
    registry.unset(7, 1, "", "a");
    expect([set(3, "a"), set(6, "superuser")]).toEqual(["new", "full"]);
  });
});

describe("an address", () => {
  it.each([
    ["0.0.0.0", true, false],
    ["::", true, false],
    ["127.0.0.1", false, true],
    ["127.8.9.1", false, true],
    ["::1", false, true],
    ["::ffff:127.0.0.1", false, true],
    ["::ffff:10.0.0.1", false, false],
    ["128.0.0.1", false, false],
    ["fe80::1%eth0", false, false],
    ["localhost", false, false],
    ["1.2.3", false, false],
    ["1.2.3.256", false, false],
    ["1:2", false, false],
    ["::1::", false, false],
  ])("%s is a wildcard: %s, loopback: %s", (host, wildcard, loopback) => {
    expect([isWildcard(host), isLoopback(host)]).toEqual([wildcard, loopback]);
  });

  // RFC 5952, section 4.
  it.each([
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0DB8::0001", "2001:db8::1"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["::ffff:1.2.3.4", "::ffff:102:304"],
  ])("%s is written %s", (text, written) => {
    expect(ipText(ipBytes(text) ?? [])).toBe(written);
  });

  it.each([
    ["1.2.3.4.8.1", { host: "1.2.3.4", port: 2049 }],
    ["::1.0.111", { host: "::1", port: 111 }],
    ["1.2.3.4.256.1", undefined],
    ["/run/x", undefined],
    ["8.1", undefined],
    ["", undefined],
  ])("the universal address %s is taken apart", (text, parts) => {
    expect(parseUniversalAddress(text)).toEqual(parts);
  });

  // As C's `uaddr2taddr` makes them on a little-endian machine.
  it.each([
    ["tcp", "10.77.0.1.8.1", "020008010a4d00010000000000000000"],
    ["udp6", "fd77::1.0.111", `0a00006f00000000fd77${"00".repeat(13)}0100000000`],
    ["local", "/run/x", "01002f72756e2f78"],
  ])("of %s is a sockaddr, and back", (netid, uaddr, hex) => {
    expect(toHex(toSockaddr(netid, uaddr, true) ?? new Uint8Array())).toBe(hex);
    expect(fromSockaddr(netid, fromHex(hex), true)).toBe(uaddr);
  });

  it.each([
    ["tcp", "fd77::1.0.111", "0a00006f"],
    ["tcp6", "10.77.0.1.8.1", "02000801"],
    ["local", "x", "0100"],
    ["local", "/é", "01002fc3a9"],
    ["tcp", "", ""],
  ])("that is none of %s is no sockaddr, nor the other way", (netid, uaddr, hex) => {
    expect(toSockaddr(netid, uaddr, true)).toBeUndefined();
    expect(fromSockaddr(netid, fromHex(hex), true)).toBe("");
  });
});

describe("an address as its asker reaches it", () => {
  const interfaces = [
    { address: "127.0.0.1", netmask: "255.0.0.0", internal: true },
    { address: "10.0.0.1", netmask: "255.0.0.0", internal: false },
    { address: "10.1.0.1", netmask: "255.255.0.0", internal: false },
    { address: "::1", netmask: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", internal: true },
    { address: "fd77::1", netmask: "ffff:ffff:ffff:ffff::", internal: false },
  ];
  it.each([
    ["that of the interface whose network the asker is in", "0.0.0.0.8.1", "10.9.9.9", "", "10.0.0.1.8.1"],
    ["the closest of two networks", "0.0.0.0.8.1", "10.1.9.9", "", "10.1.0.1.8.1"],
    ["the one that the asker says it has reached", "0.0.0.0.8.1", "10.1.9.9", "10.0.0.1.0.111", "10.0.0.1.8.1"],
    ["not one that is no interface's", "0.0.0.0.8.1", "10.1.9.9", "6.6.6.6.0.111", "10.1.0.1.8.1"],
    ["any that is not loopback, for an asker far away", "0.0.0.0.8.1", "192.0.2.1", "", "10.0.0.1.8.1"],
    ["loopback, for an asker there", "0.0.0.0.8.1", "127.0.0.1", "", "127.0.0.1.8.1"],
    ["that of IPv6", "::.8.1", "fd77::9", "", "fd77::1.8.1"],
    ["an address of its own, as it is", "10.0.0.1.8.1", "192.0.2.1", "", "10.0.0.1.8.1"],
    ["nothing, where the server is on loopback and the asker elsewhere", "127.0.0.1.8.1", "192.0.2.1", "", ""],
    ["and for this machine by its other address, that", "127.0.0.1.8.1", "10.0.0.1", "", "127.0.0.1.8.1"],
    ["as registered, over a Unix socket", "0.0.0.0.8.1", undefined, "", "0.0.0.0.8.1"],
    ["a path, as it is", "/run/x", "192.0.2.1", "", "/run/x"],
  ])("is %s", (_what, uaddr, asker, hint, merged) => {
    expect(mergeAddress(uaddr, asker, hint, interfaces)).toBe(merged);
  });
});

describe("the owner of a call over loopback", () => {
  const table = (...rows: string[]) => `header\n${rows.join("\n")}\n`;
  const row = (local: string, remote: string, state: string, uid: number, inode = 99) =>
    `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000  ${uid}        0 ${inode} 1 0 20 4 30 10 -1`;
  const tables = (rows: Partial<Record<string, string>>) => (name: string) => rows[name] ?? "";
  const asker = (port: number, datagram = false) => {
    return { netid: datagram ? "udp" : "tcp", host: "127.0.0.1", port, datagram, local: true };
  };
  const [port, portHex] = [40_000, "9C40"];

  it("is the user of the connection's other end", () => {
    const tcp = table(row(`0100007F:${portHex}`, "0100007F:006F", "01", 1000));
    expect(ownerByLoopback(asker(port), 111, tables({ tcp }))).toBe("1000");
    expect(ownerByLoopback(asker(port), 111, tables({ tcp: tcp.replace("  1000 ", "  0 ") }))).toBe("superuser");
  });

  it("is found among sockets of IPv6 too", () => {
    const tcp6 = table(
      row(`0000000000000000FFFF00000100007F:${portHex}`, "0000000000000000FFFF00000100007F:006F", "01", 1000),
    );
    expect(ownerByLoopback(asker(port), 111, tables({ tcp6 }))).toBe("1000");
  });

  it.each([
    [
      "a connection that is closing, of which the kernel says user 0",
      row(`0100007F:${portHex}`, "0100007F:006F", "06", 0, 0),
    ],
    ["one without an inode", row(`0100007F:${portHex}`, "0100007F:006F", "01", 0, 0)],
    ["one that its owner has closed", row(`0100007F:${portHex}`, "0100007F:006F", "05", 0)],
    ["one to another port", row(`0100007F:${portHex}`, "0100007F:0070", "01", 0)],
    ["one of another address", row(`0200007F:${portHex}`, "0100007F:006F", "01", 0)],
  ])("is not taken from %s", (_what, line) => {
    expect(ownerByLoopback(asker(port), 111, tables({ tcp: table(line) }))).toBe("unknown");
  });

  it("is that of a datagram's socket, bound or connected; two users at one port are nobody", () => {
    const bound = row(`00000000:${portHex}`, "00000000:0000", "07", 1000);
    expect(ownerByLoopback(asker(port, true), 111, tables({ udp: table(bound) }))).toBe("1000");
    const connected = row(`0100007F:${portHex}`, "0100007F:006F", "01", 1001);
    expect(ownerByLoopback(asker(port, true), 111, tables({ udp: table(connected) }))).toBe("1001");
    expect(ownerByLoopback(asker(port, true), 111, tables({ udp: table(bound, connected) }))).toBe("unknown");
  });

  it("is by the port, where the kernel says nothing: below 1,024 the superuser", () => {
    expect(ownerByLoopback(asker(1_023), 111, tables({}))).toBe("superuser");
    expect(ownerByLoopback(asker(1_024), 111, tables({}))).toBe("unknown");
    expect(ownerByLoopback({ ...asker(1_023), local: false }, 111, tables({}))).toBe("unknown");
  });
});

describe("a call for somebody else", () => {
  const call = (prog: number, proc: number) => ({ prog, proc });
  const none: ReadonlySet<number> = new Set();
  it.each([100_000, 100_003, 100_004, 100_005, 100_007, 100_009, 100_011, 100_017, 100_021, 100_024, 100_227])(
    "is never made to program %i, which trusts its own machine, but by procedure 0",
    (prog) => {
      for (const local of [true, false]) {
        expect(mayForward(call(prog, 1), none, undefined, local)).toBe(false);
        expect(mayForward(call(prog, 0), none, undefined, local)).toBe(true);
      }
    },
  );

  it("is made to others, unless a user refuses, or the server is on loopback and the caller not", () => {
    expect(mayForward(call(7, 1), none, entry(), false)).toBe(true);
    expect(mayForward(call(7, 1), new Set([7]), entry(), true)).toBe(false);
    expect(mayForward(call(7, 1), none, entry({ addr: "127.0.0.1.8.1" }), true)).toBe(true);
    expect(mayForward(call(7, 0), none, entry({ addr: "127.0.0.1.8.1" }), false)).toBe(false);
    expect(mayForward(call(7, 0), none, entry({ addr: "::1.8.1" }), false)).toBe(false);
  });
});

describe("the state", () => {
  it("is text that gives the same registrations", () => {
    const all = [entry(), entry({ netid: "local", addr: "/run/x", owner: "superuser" })];
    expect(parseState(formatState(all))).toEqual(all);
    expect(parseState(formatState([]))).toEqual([]);
  });

  it.each([
    ["nothing", "", /JSON/],
    ["something else", "[]", /no "format"/],
    ["null", "null", /no "format"/],
    ["another version", formatState([]).replace('"version": 1', '"version": 2'), /its version is 2/],
    ["no list", '{"format": "farcall binder", "version": 1}', /no list/],
    ["a wrong number", formatState([entry({ prog: -1 })]), /registration 1: prog is no unsigned/],
    ["a strange netid", formatState([entry(), entry({ netid: "x" })]), /registration 2: netid is none of udp, tcp/],
    [
      "a registration that is none",
      '{"format": "farcall binder", "version": 1, "registrations": [1]}',
      /1: it is no object/,
    ],
  ])("is refused when it is %s", (_what, text, message) => {
    expect(() => parseState(text)).toThrow(message);
  });
});

describe("the statistics", () => {
  it("count without end in numbers, and to an end in kinds", () => {
    const statistics = new BinderStatistics();
    for (let prog = 0; prog < 2 * countedMax; prog++) {
      statistics.asked(3, prog, 1, "tcp", prog % 2 === 0);
      statistics.forwarded(4, { prog, vers: 1, proc: 1 }, 10, "udp", false);
    }
    statistics.asked(3, 0, 1, "tcp", false);
    const [, third, fourth] = statistics.report();
    const kinds = (list: { next: unknown } | null): number => {
      let count = 0;
      for (let one = list; one !== null; one = one.next as { next: unknown } | null) count++;
      return count;
    };
    expect([kinds(third?.addrinfo ?? null), kinds(fourth?.rmtinfo ?? null)]).toEqual([countedMax, countedMax]);
    expect(third?.addrinfo).toMatchObject({ prog: countedMax - 1 });
    const first = statistics.report()[1]?.addrinfo;
    let last = first;
    while (last?.next) last = last.next;
    expect(last).toMatchObject({ prog: 0, success: 1, failure: 1 });
  });
});
