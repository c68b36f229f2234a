// Serves and calls over every transport within one process, against the built package: any runtime that can run this
// file can use farcall. `smoke.mjs CERT KEY CA` (files, PEM); prints `ok NAME`, or `FAIL NAME: why`, for each check.
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, MemoryNetwork, Server } from "../../dist/index.js";
import { clientAuthSys, oncProgram } from "../../dist/onc/index.js";
import { hyper, opaque, string, struct, uint } from "../../dist/xdr/index.js";

const SmokeV1 = oncProgram({
  name: "SMOKE",
  program: 0x20000f10,
  version: 1,
  procedures: {
    add: { number: 1, name: "ADD", args: [struct({ a: hyper, b: hyper })], result: hyper },
    echo: { number: 2, name: "ECHO", args: [opaque()], result: opaque() },
    who: { number: 3, name: "WHO", args: [], result: string() },
    hang: { number: 4, name: "HANG", args: [uint], result: uint, semantics: "at-least-once" },
    fail: { number: 5, name: "FAIL", args: [], result: uint },
  },
});

const [cert, key, ca] = process.argv.slice(2).map((path) => readFileSync(path, "utf8"));
let failed = 0;
const print = (line) => process.stdout.write(`${line}\n`);

async function check(name, task, timeoutMs = 10_000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([task(), late]);
    print(`ok ${name}`);
  } catch (error) {
    failed++;
    const text = `${error?.message ?? error}`.replaceAll(process.cwd(), ".").replaceAll("\n", " ");
    print(`FAIL ${name}: ${text.slice(0, 200)}`);
  } finally {
    clearTimeout(timer);
  }
}

function equal(actual, expected, what) {
  const text = (value) => JSON.stringify(value, (_, item) => (typeof item === "bigint" ? `${item}n` : item));
  if (text(actual) !== text(expected)) throw new Error(`${what}: ${text(actual)}, expected ${text(expected)}`);
}

async function failure(call) {
  try {
    await call;
  } catch (error) {
    return { code: error.code, executed: error.executed };
  }
  throw new Error("a call that should have failed did not");
}

const network = new MemoryNetwork();
const unixPath = join(tmpdir(), `farcall-smoke-${process.pid}.sock`);
const tlsServer = { cert, key, ca };
const tlsClient = { ca, servername: "localhost" };
const transports = [
  ["tcp", "tcp://127.0.0.1:0", {}, {}],
  ["tcp over IPv6", "tcp://[::1]:0", {}, {}],
  ["udp", "udp://127.0.0.1:0", {}, {}],
  ["unix", `unix:${unixPath}`, {}, {}],
  ["memory", "memory://smoke", {}, {}],
  ["memory datagrams", "memory+datagram://smoke", {}, {}],
  ["tls", "tls://127.0.0.1:0", { tls: tlsServer }, { tls: tlsClient }],
  ["tcp with STARTTLS", "tcp://127.0.0.1:0", { tls: tlsServer }, { tls: { ...tlsClient, policy: "required" } }],
  [
    "tls with a client's certificate",
    "tls://127.0.0.1:0",
    { tls: { ...tlsServer, requireClientCertificate: true } },
    { tls: { ...tlsClient, cert, key } },
  ],
];

for (const [name, wanted, serverOptions, clientOptions] of transports) {
  const mutual = serverOptions.tls?.requireClientCertificate === true;
  const secret = serverOptions.tls !== undefined;
  const server = new Server({ network, onError: () => {}, ...serverOptions });
  server.export(SmokeV1, {
    add: ({ a, b }) => a + b,
    echo: (bytes) => bytes,
    who: ({ caller }) => `${caller.identity.flavor} ${caller.tls?.protocol} ${caller.tls?.verified}`,
    hang: () => new Promise(() => {}),
    fail: () => {
      throw new Error("no");
    },
  });
  let client;
  await check(`${name}: connects`, async () => {
    const address = await server.listen(wanted);
    client = await connect(SmokeV1, address, {
      network,
      auth: clientAuthSys({ machinename: "smoke", uid: 1, gid: 1, gids: [] }),
      ...clientOptions,
    });
  });
  if (client === undefined) {
    await check(`${name}: closes`, () => server.close({ drainMs: 0 }));
    continue;
  }
  await check(`${name}: calls`, async () => {
    equal(await client.add({ a: 2n ** 62n, b: -1n }), 2n ** 62n - 1n, "a sum");
    const sums = await Promise.all(Array.from({ length: 200 }, (_, i) => client.add({ a: BigInt(i), b: 1n })));
    equal(
      sums,
      Array.from({ length: 200 }, (_, i) => BigInt(i + 1)),
      "sums",
    );
  });
  await check(`${name}: knows the caller`, async () => {
    const tls = secret ? `TLSv1.3 ${mutual}` : "undefined undefined";
    equal(await client.who(), `sys ${tls}`, "the caller");
  });
  await check(`${name}: carries much`, async () => {
    const size = /udp|datagram/.test(name) ? 30_000 : 3_000_000;
    const bytes = Uint8Array.from({ length: size }, (_, i) => i * 7);
    const back = await client.echo(bytes);
    if (back.length !== size || back.some((byte, i) => byte !== bytes[i])) throw new Error("other bytes came back");
  });
  await check(`${name}: ends calls`, async () => {
    equal(await failure(client.fail()), { code: "server-error", executed: "yes" }, "an error");
    equal(
      await failure(client.hang(1, { timeoutMs: 100 })),
      { code: "deadline-exceeded", executed: "unknown" },
      "a deadline",
    );
    const signal = AbortSignal.timeout(50);
    equal(await failure(client.hang(2, { signal })), { code: "cancelled", executed: "unknown" }, "a signal");
  });
  await check(`${name}: closes`, async () => {
    const call = failure(client.hang(3));
    await client.$close();
    await server.close({ drainMs: 0 });
    equal(await call, { code: "closed", executed: "unknown" }, "a pending call");
  });
}

await check("nobody there, tcp", async () => {
  equal(await failure(connect(SmokeV1, "tcp://127.0.0.1:1")), { code: "unavailable", executed: "no" }, "connecting");
});
await check("nobody there, udp", async () => {
  const client = await connect(SmokeV1, "udp://127.0.0.1:1");
  const outcome = await failure(client.add({ a: 1n, b: 1n }, { timeoutMs: 2_000 }));
  await client.$close();
  equal(outcome, { code: "unavailable", executed: "no" }, "a call");
});
await check("a certificate of nobody's", async () => {
  const server = new Server({ tls: tlsServer });
  server.export(SmokeV1, { add: () => 0n, echo: (b) => b, who: () => "", hang: () => 0, fail: () => 0 });
  const address = await server.listen("tls://127.0.0.1:0");
  const outcome = await failure(connect(SmokeV1, address, { tls: { servername: "localhost" } }));
  await server.close({ drainMs: 0 });
  equal(outcome, { code: "unavailable", executed: "no" }, "connecting");
});

rmSync(unixPath, { force: true });
print(`end, ${failed} failed`);
// No exit here: that the process ends by itself is the last check, made by whoever started it.
