// An owner of requests in a real history: `node request-client OPTIONS`. It writes down each key before it submits it, each
// id that it is given and each event that it has dealt with; started again, it goes on with what is not over.
import { connect, RpcError, requests } from "farcall";
import { clientAuthSys } from "farcall/onc";
import { later } from "../faults.js";
import { ErrandV1, errands, note, type RequestClientOptions, read } from "../requests-history.js";

const options = JSON.parse(process.argv[2] ?? "") as RequestClientOptions;
const { name, socket, journal, from, to, window, paceMs, others, claims } = options;

/** What is known of each request from earlier runs. */
const known = new Map<
  number,
  { id?: string; after: number; over: boolean; arg: number; procedure: (typeof errands)[number] }
>();
for (const entry of read(journal)) {
  if (entry.is === "submit") known.set(entry.n, { after: 0, over: false, arg: entry.arg, procedure: entry.procedure });
  if (!("n" in entry)) continue;
  const request = known.get(entry.n);
  if (request === undefined) continue;
  if (entry.is === "id") request.id = entry.id;
  if (entry.is === "event") request.after = entry.number;
  if (entry.is === "over") request.over = true;
}

async function insist<T>(ask: () => Promise<T>): Promise<T> {
  for (let left = 600; ; left--) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof RpcError) || error.code === "not-found" || left === 0) throw error;
      await later(100);
    }
  }
}

const auth = claims === undefined ? undefined : clientAuthSys({ uid: claims, gid: claims, machinename: name });
const client = await insist(() => connect(ErrandV1, `unix:${socket}`, { auth }));
const mine = requests(client);

async function follow(n: number): Promise<void> {
  let request = known.get(n);
  if (request?.over === true) return;
  if (request === undefined) {
    if (paceMs > 0) await later(paceMs * Math.random());
    const procedure = errands[Math.floor(Math.random() * 3)] as (typeof errands)[number];
    request = { after: 0, over: false, arg: 10 * n + Math.floor(Math.random() * 10), procedure };
    note(journal, { is: "submit", n, procedure, arg: request.arg });
  }
  const { procedure, arg } = request;
  let handle: Awaited<ReturnType<(typeof mine)["count"]>>;
  if (request.id === undefined) {
    const submit = mine[procedure] as (typeof mine)["count"];
    handle = await insist(() => submit(arg, { key: `${name}-${n}`, ttlMs: 600_000, timeoutMs: 20_000 }));
    note(journal, { is: "id", n, id: handle.id });
  } else {
    const { id } = request;
    handle = (await insist(() => mine.$attach(procedure, id))) as typeof handle;
  }
  if (Math.random() < 0.1) {
    note(journal, { is: "cancel", n });
    void handle.cancel().catch(() => {});
  }
  if (Math.random() < 0.2) await spy();
  let { after } = request;
  const deal = async (): Promise<void> => {
    for await (const event of handle.events({ after, acknowledge: true })) {
      const text =
        event.kind === "progress"
          ? String(event.value)
          : event.kind === "done"
            ? `done yes ${event.value}`
            : "error" in event
              ? `${event.kind} ${event.error.executed}`
              : event.kind;
      note(journal, { is: "event", n, number: event.number, kind: event.kind, text });
      after = event.number;
    }
  };
  await insist(deal);
  note(journal, { is: "over", n });
}

/** Tries an id that somebody else was given. */
async function spy(): Promise<void> {
  const other = others[Math.floor(Math.random() * others.length)];
  if (other === undefined) return;
  const ids = read(other).flatMap((entry) => (entry.is === "id" ? [entry.id] : []));
  const id = ids[Math.floor(Math.random() * ids.length)];
  if (id === undefined) return;
  try {
    await mine.$attach("add", id);
    note(journal, { is: "saw", what: `${name} saw request ${id}` });
  } catch (error) {
    if (error instanceof RpcError && error.code === "invalid-argument") {
      note(journal, { is: "saw", what: `${name} learned the procedure of request ${id}` });
    }
  }
  const list = await mine.$list({ count: 1_000 }).catch(() => []);
  if (list.some((each) => ids.includes(each.id)))
    note(journal, { is: "saw", what: `${name} has another's request in its list` });
}

let next = from;
async function work(): Promise<void> {
  for (;;) {
    const n = next++;
    if (n > to) return;
    try {
      await follow(n);
    } catch (error) {
      note(journal, {
        is: "surprise",
        text: `${name}: request ${n}: ${error instanceof Error ? error.stack : String(error)}`,
      });
      throw error;
    }
  }
}
await Promise.all(Array.from({ length: window }, work));
await client.$close();
