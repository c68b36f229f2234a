// The binder against hostile callers of other machines and of its own: each call is answered as the protocol has it, nobody
// elsewhere changes anything or gets more bytes than he sent, and nothing is kept but registrations, within their limits.
import { Desk } from "../../../src/binder/daemon/desk.js";
import { Procedures } from "../../../src/binder/daemon/procedures.js";
import { BinderStatistics } from "../../../src/binder/registry/statistics.js";
import { RpcbindV2, RpcbindV3, RpcbindV4 } from "../../../src/binder/rpcbind/rpcbind.js";
import { argsCodec } from "../../../src/onc/args.js";
import { serverAuthNone, serverAuthSys } from "../../../src/onc/auth/index.js";
import { DatagramServer, ServerEngine, type ServerHost } from "../../../src/onc/engine/index.js";
import { type OncService, proceduresOf } from "../../../src/onc/program.js";
import { nothing } from "../../../src/xdr/index.js";
import { binderCall } from "../../binder/datagrams.js";
import { damageBytes, type Random } from "../random.js";
import type { Target, Task } from "../target.js";

const registrationsMax = 8;
const callsMax = 12;
const elsewhere = "udp://192.0.2.7:4711";
const here = "unix:";

/** A binder without sockets, with registrations to be asked for. */
function binder(): { readonly server: DatagramServer; readonly engine: ServerEngine; readonly desk: Desk } {
  const interfaces = [{ address: "192.0.2.1", netmask: "255.255.255.0", internal: false }];
  const desk = new Desk({ registrationsMax, interfaces: () => interfaces, probe: async () => "there" });
  for (const prog of [100_000, 100_003, 395_183]) {
    desk.registry.addPermanent({ prog, vers: 3, netid: "udp", addr: "0.0.0.0.0.111", owner: "superuser" });
  }
  const procedures = new Procedures(desk, new BinderStatistics());
  const handlers = new Map<object, Record<string, unknown>>();
  const host: ServerHost = {
    dispatch(call) {
      const handler = handlers.get(call.served)?.[call.target.name];
      try {
        const value = typeof handler === "function" ? handler(...call.args, call) : undefined;
        // What goes on later is the desk's, and is seen in it.
        if (!(value instanceof Promise)) return engine.succeed(call, value);
        value.catch(() => {});
        engine.fail(call, new Error("later"));
      } catch (error) {
        engine.fail(call, error);
      }
    },
    report(error) {
      if ((error as Error).message !== "later") throw error;
    },
    authorize: procedures.authorize,
    answered() {},
    newAborter: () => new AbortController(),
    now: () => 0,
    watch() {},
    unwatch() {},
  };
  const engine = new ServerEngine(host, [
    serverAuthNone,
    ...serverAuthSys({ randomBytes: (size) => new Uint8Array(size) }),
  ]);
  const serve = (service: OncService<never>, object: object): void => {
    const served = {
      name: service.name,
      program: service.program,
      version: service.version,
      procedures: new Map([
        [0, { number: 0, name: "NULL", args: argsCodec([]), result: nothing }],
        ...proceduresOf(service).map(
          ([name, { number, args, result }]) => [number, { number, name, args: argsCodec(args), result }] as const,
        ),
      ]),
    };
    engine.serve(served as never);
    handlers.set(served, object as Record<string, unknown>);
  };
  serve(RpcbindV2 as never, procedures.v2());
  serve(RpcbindV3 as never, procedures.v3());
  serve(RpcbindV4 as never, procedures.v4());
  return { server: new DatagramServer(engine, { noAmplification: true }), engine, desk };
}

function asking(datagrams: readonly Uint8Array[], peer: string): Task {
  const { server, engine, desk } = binder();
  const before = desk.registry.size;
  let [asked, answered] = [0, 0];
  let problem: string | undefined;
  return {
    work() {
      for (const bytes of datagrams) {
        asked++;
        server.receive(bytes, peer, (reply) => {
          answered++;
          if (peer === elsewhere && reply.length > bytes.length) {
            problem = `${bytes.length} bytes are answered with ${reply.length}`;
          }
        });
      }
    },
    check() {
      if (answered > asked) return `${asked} datagrams have ${answered} answers`;
      if (engine.running !== 0) return `${engine.running} calls still run`;
      if (peer === elsewhere && desk.registry.size !== before) return "somebody elsewhere has changed something";
      if (desk.registry.size > before + registrationsMax) return `${desk.registry.size} registrations`;
      return problem;
    },
  };
}

export const binderTarget: Target = {
  name: "binder",
  share: 3,
  // For each call its texts, its reply, and the error of a decoder with a stack.
  allowance: callsMax * 8_192,
  make(random: Random, large: boolean) {
    const datagrams = Array.from({ length: large ? callsMax : 3 }, () => {
      const whole = binderCall(random);
      return random.below(3) === 0 ? whole : damageBytes(random, whole, binderCall(random));
    });
    const size = datagrams.reduce((sum, { length }) => sum + length, 0);
    const peer = random.below(2) === 0 ? elsewhere : here;
    return { size, prepare: () => asking(datagrams, peer) };
  },
};
