// A server or a worker of a real history of asynchronous requests: `node request-server OPTIONS`. Prints `READY`.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Server } from "farcall";
import { RequestQueue } from "farcall/async";
import { openPostgresRequestEngine, openSqliteRequestEngine } from "farcall/store";
import { later } from "../faults.js";
import { ErrandV1, note, type RequestServerOptions } from "../requests-history.js";

const { role, socket, journal, database, leaseMs } = JSON.parse(process.argv[2] ?? "") as RequestServerOptions;

const engine =
  database.kind === "postgres"
    ? await openPostgresRequestEngine({ connection: database.connection })
    : await openSqliteRequestEngine({ path: join(database.folder, "requests.db") });

const queue = new RequestQueue({
  engine,
  attemptsMax: 1_000,
  requestKeyKeptMs: 86_400_000,
  worker: { concurrency: 6, leaseMs },
});

type Run = {
  readonly request?: { readonly id: string; readonly attempt: number } | undefined;
  readonly signal: AbortSignal;
};

async function run(arg: number, { request, signal }: Run, work: () => Promise<void>): Promise<number> {
  const { id, attempt } = request as { id: string; attempt: number };
  note(journal, { is: "run", id, attempt, arg });
  await work();
  const how = signal.aborted && Math.random() < 0.5 ? "threw" : "returned";
  note(journal, { is: "ran", id, attempt, how });
  if (how === "threw") throw new Error("stopped");
  return arg + 1;
}

const think = (): Promise<unknown> => later(Math.random() < 0.5 ? 0 : 30 * Math.random());

if (role === "worker") {
  queue.handle(ErrandV1, {
    add: (arg, context) => run(arg, context as Run, async () => void (await think())),
    once: (arg, context) => run(arg, context as Run, async () => void (await think())),
    count: (arg, context) =>
      run(arg, context as Run, async () => {
        for (let i = 1; i <= 3; i++) {
          await think();
          await context.request?.progress(i);
        }
      }),
  });
} else {
  queue.accept(ErrandV1);
  const local = { allow: "everyone", socketMode: 0o666 } as const;
  const server = new Server(process.getuid?.() === 0 ? { local } : {});
  server.export(ErrandV1, { add: (arg) => arg, count: (arg) => arg, once: (arg) => arg });
  queue.serve(server);
  // What a killed server has left behind.
  if (existsSync(socket)) rmSync(socket);
  await server.listen(`unix:${socket}`);
}
process.stdout.write("READY\n");
