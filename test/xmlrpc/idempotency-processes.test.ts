// Two processes that serve one bank and share a store of answers: an Idempotency-Key means one execution in both together.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "farcall";
import { encodeCall, encodeResponse, int, method, xmlRpcService } from "farcall/xmlrpc";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { buildChild, startChild } from "../support/children.js";
import { until } from "../support/faults.js";

const Bank = xmlRpcService({ pay: method("bank.pay", { params: [int], result: int }) });

// Bundling takes long on a busy machine; here, so that none of the tests takes the time.
beforeAll(async () => {
  await buildChild("xml-rpc-bank");
}, 120_000);

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "farcall-bank-"));
  writeFileSync(join(folder, "runs"), "");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const runs = (): string[] => readFileSync(join(folder, "runs"), "utf8").split("\n").slice(0, -1);
const go = (): void => writeFileSync(join(folder, "go"), "");

async function bank(owner: string, leaseMs = 60_000) {
  const process = await startChild("xml-rpc-bank", [folder, owner, String(leaseMs)]);
  const [, url = ""] = await process.line(/^READY (.*)$/);
  return {
    url,
    async post(key: string, amount: number) {
      const response = await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "text/xml", "Idempotency-Key": key },
        body: encodeCall("bank.pay", [amount]),
      });
      const { status, headers } = response;
      const [farcall, retryAfter] = [headers.get("farcall") ?? "", headers.get("retry-after")];
      return { status, farcall, retryAfter, text: await response.text() };
    },
    kill: () => process.kill(),
    [Symbol.asyncDispose]: () => process.stop(),
  };
}

describe("a key in two processes over one store", { timeout: 60_000 }, () => {
  it("is refused with 409 while the other has it, and answered as there when that is done", async () => {
    await using one = await bank("one");
    await using two = await bank("two");
    const first = one.post("k1", 5);
    await until(() => runs().length === 1);

    // Nobody knows yet how it ends, so nothing is said of the execution.
    const meanwhile = await two.post("k1", 5);
    expect(meanwhile).toMatchObject({ status: 409, retryAfter: "1", farcall: expect.not.stringContaining("executed") });
    // With other arguments it is another request, in whichever process, running or done.
    const mismatch = { status: 422, farcall: expect.stringMatching(/^executed=no\b/) };
    expect(await two.post("k1", 6)).toMatchObject(mismatch);
    expect(await one.post("k1", 6)).toMatchObject(mismatch);

    go();
    const answer = await first;
    expect(answer).toMatchObject({ status: 200, text: new TextDecoder().decode(encodeResponse(10)) });
    expect(await two.post("k1", 5)).toEqual(answer);
    expect(await two.post("k1", 6)).toMatchObject(mismatch);
    expect(runs()).toEqual(["one"]);
  });

  it("is asked for again by a farcall client that is led to the other process, until there is an answer", async () => {
    await using one = await bank("one");
    await using two = await bank("two");
    await using way = await changingWay(one.url);
    await using client = await connect(Bank, way.url, { retry: { attempts: 30 } });
    // With its first answer the server says where it keeps them.
    await client.$ping();
    const paid = client.pay(5);
    await until(() => runs().length === 1);
    way.lead(two.url);
    await until(() => client.$stats().retransmissions > 0);
    go();
    expect(await paid).toBe(10);
    expect(runs()).toEqual(["one"]);
  });

  it("is lost with a process that is killed: the other says that it may have run, and never runs it", async () => {
    await using one = await bank("one", 500);
    await using two = await bank("two", 500);
    const first = one.post("k1", 5).catch(() => "gone");
    await until(() => runs().length === 1);
    one.kill();
    expect(await first).toBe("gone");
    go();
    let after = await two.post("k1", 5);
    // Until the lease has passed it may be running still.
    for (let i = 0; i < 200 && after.status === 409; i++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      after = await two.post("k1", 5);
    }
    expect(after).toMatchObject({ status: 200, farcall: expect.stringMatching(/^executed=unknown\b/) });
    expect(after.text).toContain("whether it ran is not known");
    expect(runs()).toEqual(["one"]);
  });
});

/** An address that leads to one server, and then to another. */
async function changingWay(url: string) {
  let to = Number(new URL(url).port);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connectTcp({ port: to, host: "127.0.0.1" });
    for (const socket of [near, far]) sockets.add(socket.on("error", () => {}));
    near.pipe(far).pipe(near);
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const { port } = typeof address === "object" && address !== null ? address : { port: 0 };
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  return {
    url: `http://127.0.0.1:${port}/RPC2`,
    lead(other: string): void {
      to = Number(new URL(other).port);
      cut();
    },
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
