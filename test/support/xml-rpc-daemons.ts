// supervisord and rtorrent, each with a folder of its own, on loopback and Unix sockets only.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./faults.js";
import { Running } from "./processes.js";

export interface Daemon extends AsyncDisposable {
  readonly address: string;
}

/** A supervisord with two programs, `cat` and `ticker`, at a Unix socket; the user is `me`, the password `sesame`. */
export async function startSupervisord(): Promise<Daemon> {
  const folder = mkdtempSync(join(tmpdir(), "farcall-"));
  const socket = join(folder, "s.sock");
  writeFileSync(
    join(folder, "supervisord.conf"),
    [
      "[supervisord]",
      "nodaemon=true",
      `logfile=${folder}/log`,
      `pidfile=${folder}/pid`,
      `childlogdir=${folder}`,
      "[unix_http_server]",
      `file=${socket}`,
      "username=me",
      "password=sesame",
      "[rpcinterface:supervisor]",
      "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
      "[program:cat]",
      "command=/bin/cat",
      "autostart=false",
      "startsecs=0",
      "[program:ticker]",
      'command=/bin/sh -c "echo tick; exec sleep 1000"',
      "autostart=true",
      "startsecs=0",
    ].join("\n"),
  );
  const running = new Running("supervisord", ["-c", join(folder, "supervisord.conf")]);
  return await daemon(running, folder, socket, `http+unix:${socket}:/RPC2`);
}

/** An rtorrent without a terminal, whose SCGI is at a Unix socket or at a free port. */
export async function startRtorrent(transport: "unix" | "tcp"): Promise<Daemon> {
  const folder = mkdtempSync(join(tmpdir(), "farcall-"));
  for (const name of ["session", "downloads"]) mkdirSync(join(folder, name));
  const socket = join(folder, "s.sock");
  const [scgi, bittorrent] = [await freePort(), await freePort()];
  const options = [
    "system.daemon.set=true",
    transport === "unix" ? `network.scgi.open_local=${socket}` : `network.scgi.open_port=127.0.0.1:${scgi}`,
    `session.path.set=${folder}/session`,
    `directory.default.set=${folder}/downloads`,
    "network.bind_address.set=127.0.0.1",
    `network.port_range.set=${bittorrent}-${bittorrent}`,
    "dht.mode.set=disable",
    "protocol.pex.set=no",
    "trackers.use_udp.set=no",
  ];
  const running = new Running("rtorrent", ["-n", "-o", options.join(",")], {
    cwd: folder,
    env: { ...process.env, HOME: folder, TERM: "dumb" },
  });
  const address = transport === "unix" ? `scgi+unix:${socket}` : `scgi://127.0.0.1:${scgi}`;
  return await daemon(running, folder, transport === "unix" ? socket : undefined, address);
}

async function daemon(running: Running, folder: string, socket: string | undefined, address: string): Promise<Daemon> {
  const end = async (): Promise<void> => {
    // Both end their own children at this.
    running.kill("SIGTERM");
    await Promise.race([running.ended, new Promise((resolve) => setTimeout(resolve, 5_000))]);
    await running.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  let over = false;
  void running.ended.then(() => {
    over = true;
  });
  try {
    if (socket !== undefined) await until(() => over || existsSync(socket));
    if (over) throw new Error(running.describe());
  } catch (error) {
    await end();
    throw error;
  }
  return { address, [Symbol.asyncDispose]: end };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
