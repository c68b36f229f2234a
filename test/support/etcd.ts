// A cluster of etcd of the tests' own: members on free ports of loopback, each a process with a folder of its own.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Running } from "./processes.js";

export interface Etcd extends AsyncDisposable {
  /** Where its members serve clients. */
  readonly endpoints: readonly string[];
  /** The number of the member that leads, as the others see it. */
  leader(): Promise<number>;
  /** Kills a member (SIGKILL), and resolves when it has gone. */
  kill(member: number): Promise<void>;
  /** Starts it again on what it left. */
  start(member: number): Promise<void>;
}

/** Starts one, and resolves when it has a leader. */
export async function startEtcd(size = 3): Promise<Etcd> {
  const folder = mkdtempSync(join(tmpdir(), "farcall-etcd-"));
  const ports = await freePorts(2 * size);
  const members = Array.from({ length: size }, (_, i) => ({
    name: `m${i}`,
    client: `http://127.0.0.1:${ports[2 * i]}`,
    peer: `http://127.0.0.1:${ports[2 * i + 1]}`,
    process: undefined as Running | undefined,
  }));
  const cluster = members.map(({ name, peer }) => `${name}=${peer}`).join(",");
  const begin = (i: number): void => {
    const { name, client, peer } = members[i] as (typeof members)[number];
    const args = [
      ...["--name", name, "--data-dir", join(folder, name)],
      ...["--listen-client-urls", client, "--advertise-client-urls", client],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
      ...["--initial-cluster", cluster, "--initial-cluster-state", "new", "--initial-cluster-token", folder],
      // A disk that is shared with other tests is slow: what a crash of the machine leaves is not tested here.
      ...["--unsafe-no-fsync", "--logger", "zap", "--log-level", "error"],
    ];
    (members[i] as (typeof members)[number]).process = new Running("etcd", args, { cwd: folder });
  };
  const leader = async (): Promise<number> => {
    for (const { client, process } of members) {
      if (process === undefined) continue;
      const status = await post(client, "maintenance/status");
      const list = await post(client, "cluster/member/list");
      const found = (list?.["members"] as { ID: string; name: string }[] | undefined)?.find(
        ({ ID }) => ID === status?.["leader"],
      );
      if (found !== undefined) return members.findIndex(({ name }) => name === found.name);
    }
    return -1;
  };
  const etcd: Etcd = {
    endpoints: members.map(({ client }) => client),
    leader,
    async kill(i) {
      const { process } = members[i] as (typeof members)[number];
      (members[i] as (typeof members)[number]).process = undefined;
      await process?.stop();
    },
    async start(i) {
      begin(i);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map(async ({ process }) => await process?.stop()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    for (let i = 0; i < size; i++) begin(i);
    for (let left = 400; (await leader()) < 0; left--) {
      if (left === 0)
        throw new Error(`etcd has no leader: ${members.map(({ process }) => process?.stderr).join("\n")}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } catch (error) {
    await etcd[Symbol.asyncDispose]();
    throw error;
  }
  return etcd;
}

async function post(endpoint: string, path: string): Promise<Record<string, unknown> | undefined> {
  try {
    const response = await fetch(`${endpoint}/v3/${path}`, {
      method: "POST",
      body: "{}",
      signal: AbortSignal.timeout(1_000),
    });
    return response.ok ? ((await response.json()) as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Ports that are free now, and are not given out soon again. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ports.push((server.address() as { port: number }).port);
  }
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
