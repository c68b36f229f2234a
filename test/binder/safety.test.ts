import { beforeAll, expect, it } from "vitest";
import { buildPeer, programs } from "../support/c-peers.js";
import { buildChild } from "../support/children.js";
import { buildCli } from "../support/cli.js";
import { describeWith, toBuildC } from "../support/requirements.js";
import {
  binders,
  forEither,
  forNamespace,
  type NamespaceOptions,
  runInRpcbindNamespace,
} from "../support/rpcbind-namespace.js";

// The binder as other users of its machine, and callers of another machine, find it. 10.77.0.1 and fd77::1 are here, 10.77.0.2
// and fd77::2 are there.

type Step = readonly unknown[];

const asUser = 1_000;
const [program, loopbackProgram] = [0x2000_0e21, 0x2000_0e22];
const denied = { code: "denied", executed: "no", status: 7, why: 5 };
const absent = { code: "unimplemented", executed: "no", status: 10 };
const entry = (more: object = {}) => ({ prog: program, vers: 3, netid: "", addr: "", owner: "", ...more });

let [caller, gain, server] = ["", "", ""];
beforeAll(async () => {
  buildCli();
  caller = await buildChild("binder-caller");
  gain = await buildChild("binder-gain");
});

/** Asks from here. */
const here = (...steps: Step[]): string => `${process.execPath} ${caller} '${JSON.stringify(steps)}'`;
/** Asks from the other machine. */
const there = (...steps: Step[]): string => `ip netns exec far ${here(...steps)}`;

/** Runs lines of shell where a binder listens, and gives what they print. */
async function run(lines: readonly string[], options: NamespaceOptions = {}): Promise<unknown[]> {
  const {
    code,
    lines: said,
    stderr,
  } = await runInRpcbindNamespace(["bash", "-c", lines.join("\n")], {
    binder: "farcall bind",
    ...options,
  });
  expect(code, stderr).toBe(0);
  return said.map((line) => (/^[[{"]/.test(line) ? (JSON.parse(line) as unknown) : line));
}

describeWith(forNamespace, "a caller of another machine", () => {
  it("changes nothing, over TCP, UDP, IPv4 or IPv6, in any version", async () => {
    const mapping = { prog: 7, vers: 1, prot: 6, port: 2049 };
    const places = ["tcp://10.77.0.1:111", "udp://10.77.0.1:111", "tcp://[fd77::1]:111", "udp://[fd77::1]:111"];
    const steps = places.flatMap((place) => [
      [place, 4, "set", entry({ netid: "tcp", addr: "10.77.0.2.8.1" })],
      [place, 3, "set", entry({ netid: "tcp", addr: "0.0.0.0.8.1", owner: "superuser" })],
      [place, 2, "set", mapping],
      [place, 4, "unset", entry({ vers: 1 })],
      [place, 3, "unset", entry({ vers: 1 })],
      [place, 2, "unset", { ...mapping, prog: program }],
    ]);
    const registered = entry({ vers: 1, netid: "tcp", addr: "0.0.0.0.8.1" });
    const said = await run(
      [
        here(["tcp://127.0.0.1:111", 4, "set", registered]),
        there(...steps),
        here(
          ["tcp://127.0.0.1:111", 4, "getversaddr", registered],
          ["tcp://127.0.0.1:111", 4, "getversaddr", entry({ prog: 7 })],
        ),
      ],
      { far: true },
    );
    expect(said).toEqual([{ value: true }, ...steps.map(() => denied), { value: "127.0.0.1.8.1" }, { value: "" }]);
  });

  it("has no list sent over UDP, and gets it over TCP; who is on this machine gets it anyhow", async () => {
    const lists = (host: string): Step[] =>
      ["tcp", "udp"].flatMap((transport) => [
        [`${transport}://${host}:111`, 4, "dump"],
        [`${transport}://${host}:111`, 3, "dump"],
        [`${transport}://${host}:111`, 2, "dump"],
        [`${transport}://${host}:111`, 4, "getstat"],
      ]);
    const said = await run([there(...lists("10.77.0.1")), here(...lists("127.0.0.1"))], { far: true });
    const answered = { value: expect.anything() as unknown };
    const list = Array(4).fill(answered);
    expect(said).toEqual([...list, ...Array(4).fill(denied), ...list, ...list]);
  });

  it("is told the address of the interface that it is on, and of a server on loopback nothing", async () => {
    const ask = (host: string, transport: string, prog: number): Step[] => [
      [`${transport}://${host}:111`, 4, "getaddr", entry({ prog })],
      [`${transport}://${host}:111`, 3, "getaddr", entry({ prog })],
    ];
    const port = (transport: string, prog: number): Step => {
      return [`${transport}://10.77.0.1:111`, 2, "getport", { prog, vers: 3, prot: 6, port: 0 }];
    };
    const set = (prog: number, netid: string, addr: string): Step => {
      return ["tcp://127.0.0.1:111", 4, "set", entry({ prog, netid, addr })];
    };
    const said = await run(
      [
        here(
          set(program, "tcp", "0.0.0.0.8.1"),
          set(program, "udp6", "::.8.2"),
          set(loopbackProgram, "tcp", "127.0.0.1.8.3"),
          set(loopbackProgram + 1, "tcp", "10.77.0.1.8.4"),
        ),
        there(
          ...ask("10.77.0.1", "tcp", program),
          ...ask("[fd77::1]", "udp", program),
          ...ask("10.77.0.1", "tcp", loopbackProgram),
          ...ask("10.77.0.1", "tcp", loopbackProgram + 1),
          port("tcp", program),
          port("udp", loopbackProgram),
          ["tcp://10.77.0.1:111", 4, "getaddrlist", entry()],
        ),
        here(...ask("127.0.0.1", "tcp", loopbackProgram)),
      ],
      { far: true },
    );
    const twice = (value: string) => Array(2).fill({ value });
    const map = { maddr: "10.77.0.1.8.1", netid: "tcp", delivery: 3, family: "inet", proto: "tcp" };
    expect(said).toEqual([
      ...Array(4).fill({ value: true }),
      ...twice("10.77.0.1.8.1"),
      ...twice("fd77::1.8.2"),
      ...twice(""),
      ...twice("10.77.0.1.8.4"),
      { value: 2049 },
      { value: 0 },
      { value: { map, next: null } },
      ...twice("127.0.0.1.8.3"),
    ]);
  });

  it("never gets more bytes over UDP than it has sent, whatever it sends", { timeout: 60_000 }, async () => {
    const send = (host: string): string => `${process.execPath} ${gain} ${host} 111 3000 1`;
    const registered = (netid: string, addr: string): Step => {
      return ["tcp://127.0.0.1:111", 4, "set", entry({ prog: 395_183, vers: 1, netid, addr })];
    };
    const [, , four, six, local] = (await run(
      [
        here(registered("udp", "0.0.0.0.8.1"), registered("udp6", "::.8.1")),
        `ip netns exec far ${send("10.77.0.1")}`,
        `ip netns exec far ${send("fd77::1")}`,
        send("127.0.0.1"),
      ],
      { far: true },
    )) as { sent: number; answered: number; larger: number; most: number }[];
    for (const outcome of [four, six]) {
      expect(outcome).toMatchObject({ larger: 0 });
      expect(outcome?.answered).toBeGreaterThan(1_000);
      expect(outcome?.most).toBeLessThanOrEqual(1);
    }
    // What the same questions are answered with on this machine: there is something to hold back.
    expect(local?.larger).toBeGreaterThan(100);
    expect(local?.most).toBeGreaterThan(10);
  });
});

describeWith(forNamespace, "users of the same machine", () => {
  const places = [
    "tcp://127.0.0.1:111",
    "udp://127.0.0.1:111",
    "tcp://[::1]:111",
    "udp://[::1]:111",
    "unix:/run/rpcbind.sock",
  ];

  it.each(places)("own what they register over %s, and root may take it back", async (place) => {
    const mine = entry({ netid: "tcp", addr: "127.0.0.1.8.1" });
    const roots = entry({ vers: 4, netid: "tcp", addr: "127.0.0.1.8.2" });
    const said = await run([
      here([place, 4, "set", roots]),
      here(["as", asUser], [place, 4, "set", mine], [place, 4, "unset", roots], [place, 3, "unset", roots]),
      here(["as", asUser + 1], [place, 4, "unset", mine], [place, 2, "unset", { ...mine, prot: 0, port: 0 }]),
      here(["unix:/run/rpcbind.sock", 4, "dump"]),
      here(["as", asUser], [place, 4, "unset", mine]),
      here([place, 4, "set", mine]),
      here(["as", asUser], [place, 4, "unset", mine]),
      here([place, 4, "unset", mine], [place, 4, "unset", roots]),
    ]);
    const owners: unknown[] = [];
    const { value } = said[6] as { value: { map: { prog: number; owner: string }; next: unknown } | null };
    for (let one = value; one !== null; one = one.next as typeof value) {
      if (one.map.prog === program) owners.push(one.map.owner);
    }
    expect(owners).toEqual(["superuser", String(asUser)]);
    const [yes, no] = [{ value: true }, { value: false }];
    expect([...said.slice(0, 6), ...said.slice(7)]).toEqual([yes, yes, no, no, no, no, yes, yes, no, yes, yes]);
  });

  it("cannot register addresses of other machines, nor what is no address, nor rpcbind", async () => {
    const bad = [
      { netid: "tcp", addr: "192.0.2.1.8.1" },
      { netid: "tcp6", addr: "2001:db8::1.8.1" },
      { netid: "tcp", addr: "::.8.1" },
      { netid: "tcp", addr: "0.0.0.0.0.0" },
      { netid: "tcp", addr: "" },
      { netid: "udp", addr: "/run/x" },
      { netid: "local", addr: "x" },
      { netid: "rawip", addr: "0.0.0.0.8.1" },
      { prog: 100_000, vers: 9, netid: "tcp", addr: "0.0.0.0.8.1" },
    ];
    const steps = bad.map((one) => ["unix:/run/rpcbind.sock", 4, "set", entry(one)]);
    expect(await run([here(...steps)])).toEqual(bad.map(() => ({ value: false })));
  });
});

describeWith([...toBuildC, ...forNamespace], "a call that the binder is to make for somebody", () => {
  beforeAll(async () => {
    server = await buildPeer(programs.registeredServer);
  });
  const start = () => `exec 3< <(exec ${server} tcp udp); read -r ready <&3; echo "$ready"`;
  const twice = { prog: program, vers: 3, proc: 1, args: { hex: "00000015" } };
  const forty2 = { hex: "0000002a" };
  const register = (prog: number, netid: string, addr: string): Step => {
    return ["unix:/run/rpcbind.sock", 4, "set", entry({ prog, netid, addr })];
  };

  it("is not made unless it is asked for: the procedures are not there", async () => {
    const steps = ["tcp://127.0.0.1:111", "udp://127.0.0.1:111"].flatMap((place) => [
      [place, 2, "callit", twice],
      [place, 3, "callit", twice],
      [place, 4, "bcast", twice],
      [place, 4, "indirect", twice],
    ]);
    expect(await run([start(), here(...steps)])).toEqual(["READY", ...steps.map(() => absent)]);
  });

  it("is made with --remote-calls, and says where the program is", async () => {
    const steps = ["tcp://10.77.0.1:111", "udp://10.77.0.1:111"].flatMap((place) => [
      [place, 2, "callit", twice],
      [place, 3, "callit", twice],
      [place, 4, "bcast", twice],
      [place, 4, "indirect", twice],
    ]);
    const said = await run([start(), there(...steps)], { binder: "farcall bind --remote-calls", far: true });
    const addr = expect.stringMatching(/^10\.77\.0\.1\.\d+\.\d+$/) as unknown;
    const results = forty2.hex;
    const answers = [{ port: expect.any(Number) as unknown, results }, ...Array(3).fill({ addr, results })];
    expect(said).toEqual(["READY", ...[...answers, ...answers].map((value: unknown) => ({ value }))]);
  });

  it("is never made to programs that trust their machine, to those refused, or from elsewhere to loopback", async () => {
    const place = "udp://10.77.0.1:111";
    const call = (prog: number, vers: number): object => ({ prog, vers, proc: 1, args: { hex: "" } });
    const options = { binder: "farcall bind --remote-calls --refuse 536874530", far: true } as const;
    const said = await run(
      [
        start(),
        here(register(100_003, "udp", "0.0.0.0.8.1"), register(program + 9, "udp", "127.0.0.1.8.2")),
        there(
          [place, 4, "indirect", call(100_003, 3)],
          [place, 4, "indirect", call(100_005, 3)],
          [place, 4, "indirect", call(100_000, 4)],
          [place, 4, "indirect", call(loopbackProgram, 3)],
          [place, 4, "indirect", call(program + 9, 3)],
          [place, 4, "indirect", call(77, 1)],
          [place, 4, "indirect", { ...twice, vers: 9 }],
          [place, 4, "indirect", { ...twice, proc: 9 }],
        ),
      ],
      options,
    );
    const refused = (status: number) => ({ code: expect.any(String) as unknown, executed: "no", status });
    expect(said).toEqual([
      "READY",
      { value: true },
      { value: true },
      ...Array(5).fill(denied),
      refused(8),
      refused(9),
      refused(10),
    ]);
  });

  it("that fails is answered by INDIRECT alone: a broadcast is silent", async () => {
    const missing = { prog: 77, vers: 1, proc: 1, args: { hex: "" } };
    const steps: Step[] = [
      ["udp://10.77.0.1:111", 4, "indirect", missing],
      ["udp://10.77.0.1:111", 4, "bcast", missing],
      ["udp://10.77.0.1:111", 2, "callit", { ...missing, prog: 100_003 }],
    ];
    const silent = { code: "deadline-exceeded", executed: "unknown", status: 5 };
    const said = await run([there(...steps)], { binder: "farcall bind --remote-calls", far: true });
    expect(said).toEqual([{ code: "unimplemented", executed: "no", status: 8 }, silent, silent]);
  });
});

/** Addresses as the transport of the place has them. */
function addressesOf(place: string): Step[] {
  if (place.startsWith("unix:")) return [[place, 3, "uaddr2taddr", "/run/x"]];
  const [uaddr, hex] = place.includes("[")
    ? ["::1.8.1", `0a00000b00000000${"00".repeat(15)}0100000000`]
    : ["127.0.0.1.8.1", "0200000b7f0000010000000000000000"];
  return [
    [place, 3, "uaddr2taddr", uaddr],
    [place, 4, "taddr2uaddr", { maxlen: hex.length / 2, buf: { hex } }],
  ];
}

// What both say to the same questions, in the same order.
const common: readonly Step[] = [
  ...[
    "tcp://127.0.0.1:111",
    "udp://127.0.0.1:111",
    "tcp://[::1]:111",
    "udp://[::1]:111",
    "unix:/run/rpcbind.sock",
  ].flatMap((place): Step[] => [
    [place, 4, "ping"],
    [place, 3, "set", entry({ netid: "tcp", addr: "0.0.0.0.8.1" })],
    [place, 4, "set", entry({ netid: "tcp", addr: "0.0.0.0.8.1" })],
    [place, 4, "set", entry({ netid: "udp", addr: "0.0.0.0.8.2" })],
    [place, 4, "set", entry({ vers: 4, netid: "tcp6", addr: "::.8.3" })],
    [place, 4, "set", entry({ vers: 4, netid: "udp6", addr: "::.8.4" })],
    [place, 4, "getaddr", entry()],
    [place, 3, "getaddr", entry({ vers: 9 })],
    [place, 4, "getversaddr", entry({ vers: 9 })],
    [place, 4, "getversaddr", entry({ vers: 4 })],
    [place, 4, "getaddr", entry({ prog: 77 })],
    [place, 4, "getaddrlist", entry()],
    [place, 4, "getaddrlist", entry({ vers: 4 })],
    [place, 4, "getaddrlist", entry({ vers: 9 })],
    ...addressesOf(place),
    [place, 3, "unset", entry({ netid: "tcp" })],
    [place, 3, "unset", entry({ netid: "tcp" })],
    [place, 4, "getversaddr", entry()],
    [place, 4, "unset", entry()],
    [place, 4, "unset", entry({ vers: 4 })],
    [place, 4, "getaddrlist", entry({ vers: 4 })],
    [place, 4, "unset", entry({ prog: 77 })],
  ]),
  ...["tcp://127.0.0.1:111", "udp://127.0.0.1:111"].flatMap((place): Step[] => {
    const mapping = (more: object = {}) => ({ prog: program, vers: 3, prot: 6, port: 2049, ...more });
    return [
      [place, 2, "set", mapping()],
      [place, 2, "set", mapping()],
      [place, 2, "set", mapping({ prot: 17, port: 2050 })],
      [place, 2, "set", mapping({ prot: 99, port: 2050 })],
      [place, 2, "getport", mapping({ port: 0 })],
      [place, 2, "getport", mapping({ vers: 9 })],
      [place, 2, "getport", mapping({ prot: 17 })],
      [place, 2, "getport", mapping({ prog: 77 })],
      [place, 4, "getversaddr", entry()],
      [place, 2, "unset", mapping({ prot: 0, port: 0 })],
      [place, 2, "getport", mapping()],
    ];
  }),
];

describeWith(forEither.rpcbind, "rpcbind and farcall bind", () => {
  it("say the same to the same questions", { timeout: 60_000 }, async () => {
    const [theirs = [], ours = []] = await Promise.all(binders.map((binder) => run([here(...common)], { binder })));
    expect(theirs).toHaveLength(common.length);
    const pairs = (said: readonly unknown[]) => common.map((step, i) => [JSON.stringify(step), said[i]]);
    expect(pairs(ours)).toEqual(pairs(theirs));
  });
});
