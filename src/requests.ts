import { type ConnectOptions, connect } from "./connect.js";
import { type Machine, realMachine } from "./drive/machine.js";
import { type Remote, type RequestInfo, type Requests, RpcError, remote } from "./model/index.js";
import type { OncChannel } from "./onc/channel.js";
import type { OncService } from "./onc/program.js";
import { proceduresOf } from "./onc/program.js";

/**
 * The procedures of a client as asynchronous requests: the server validates a request, keeps it, and gives its id at once;
 * the result comes later, whatever becomes of the connection and of the processes at both ends.
 *
 * ```ts
 * const request = await requests(render).render(scene);      // queued, and safe
 * for await (const event of request.events()) show(event);   // running, progress, ..., done
 * const image = await request.result();
 *
 * const again = await requests(render).$attach("render", request.id);   // later, in another process
 * ```
 *
 * @throws TypeError for what is no client of `connect`
 */
export function requests<C>(
  client: { readonly [remote]?: Remote<C> | undefined },
  options: { readonly machine?: Machine | undefined } = {},
): Requests<C> {
  const reached = client[remote];
  if (reached === undefined) throw new TypeError("requests takes a client that connect has given");
  const { machine = realMachine } = options;
  const opened = openPort(reached, machine);
  // Whoever calls learns it; until then nobody need hear of it.
  opened.catch(() => {});
  const made: Record<string, unknown> = Object.create(null);
  for (const [key, arity] of aritiesOf(reached)) {
    made[key] = async (...values: unknown[]) =>
      (await opened).submit(key, values.slice(0, arity), (values[arity] ?? {}) as object);
  }
  made["$attach"] = async (procedure: string, id: string) => (await opened).attach(procedure, id);
  made["$procedureOf"] = async (id: string) => (await opened).procedureOf(id);
  made["$list"] = async ({ count }: { readonly count?: number | undefined } = {}) => (await opened).list(count);
  return made as unknown as Requests<C>;
}

/** A request of any service, by its numbers: for tools. */
export interface ListedRequest extends Omit<RequestInfo, "procedure"> {
  /** Such as `536871169.1.4`: program, version, procedure. */
  readonly target: string;
}

/** What tools ask about requests of whatever service. */
export interface AsyncClient extends AsyncDisposable {
  list(count: number): Promise<ListedRequest[]>;
  cancel(id: string): Promise<"cancelled" | "requested" | "too-late">;
}

/** Connects to the async program itself. */
export async function asyncClient(address: string, options: ConnectOptions): Promise<AsyncClient> {
  const { FarcallAsyncV1 } = await import("./async/async.js");
  const { OncRequestPort } = await import("./async/onc-port.js");
  const client = await connect(FarcallAsyncV1, address, options);
  const { channel } = client[remote] as Remote<unknown>;
  const port = new OncRequestPort(FarcallAsyncV1 as OncService<unknown>, channel as OncChannel);
  const ask = { timeoutMs: 25_000, signal: undefined };
  return {
    list: (count) => port.list(count, ask),
    cancel: (id) => port.cancel(id, ask),
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

/** How many arguments each procedure takes. */
function aritiesOf<C>({ protocol, service }: Remote<C>): [key: string, arity: number][] {
  if (protocol === "onc") {
    return proceduresOf(service as OncService<C>).map(([key, { args }]) => [key, args.length]);
  }
  const { procedures } = service as {
    readonly procedures: Readonly<Record<string, { readonly params: readonly unknown[] }>>;
  };
  return Object.entries(procedures).map(([key, { params }]) => [key, params.length]);
}

/** Only who makes requests loads what they need. */
async function openPort<C>({ protocol, service, channel }: Remote<C>, machine: Machine) {
  const { RequestClient } = await import("./async/client.js");
  if (protocol === "onc") {
    const { OncRequestPort } = await import("./async/onc-port.js");
    return new RequestClient(new OncRequestPort(service as OncService<unknown>, channel as OncChannel), machine);
  }
  throw new RpcError("unimplemented", `clients of ${protocol} make no asynchronous requests`, { executed: "no" });
}
