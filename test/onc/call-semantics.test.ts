import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { RetryPolicy } from "../../src/call/retry.js";
import { connect } from "../../src/index.js";
import { type Executed, narrows, RpcError, type Semantics } from "../../src/model/index.js";
import { argsCodec } from "../../src/onc/args.js";
import type { ClientAuth } from "../../src/onc/auth/auth.js";
import { clientAuthNone } from "../../src/onc/auth/none.js";
import { ClientCall, DatagramClientEngine, StreamClientEngine } from "../../src/onc/engine/index.js";
import { uint } from "../../src/xdr/index.js";
import { codeOf } from "../idl/support.js";
import { StoreV1 } from "../support/store.js";

// The tables of docs/call-semantics.md are what the code does: each row is tried, and a row more or less is a failure.

const page = readFileSync(new URL("../../docs/call-semantics.md", import.meta.url), "utf8");
const guarantees: readonly Semantics[] = ["maybe", "at-least-once", "at-most-once", "exactly-once"];

/** The cells of the table whose first heading this is, without its marks; several texts in a cell are left as they are. */
function table(heading: string): string[][] {
  const at = page.indexOf(`| ${heading} |`);
  if (at < 0) throw new Error(`no table ${heading}`);
  const rows =
    page
      .slice(at)
      .split(/\n(?!\|)/)[0]
      ?.split("\n") ?? [];
  return rows.slice(2).map((row) =>
    row
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim().replace(/^`([^`]*)`$/, "$1")),
  );
}
const words = (cell: string | undefined): string[] =>
  [...(cell ?? "").matchAll(/`([^`]+)`/g)].map(([, word = ""]) => word);

describe("the tables of guarantees", () => {
  it("name the four", () => {
    expect(table("guarantee | how often it runs").map(([name]) => name)).toEqual(guarantees);
  });

  it("say what may be narrowed to what", () => {
    const rows = table("declared").map(([from = "", to = ""]) => [
      from,
      to.includes("`") ? words(to) : [to].filter(Boolean),
    ]);
    expect(rows).toEqual(guarantees.map((from) => [from, guarantees.filter((to) => to !== from && narrows(from, to))]));
  });

  it("say what is tried again", () => {
    const again = (semantics: Semantics, executed: Executed): string =>
      new RetryPolicy().obstacle({ semantics, executed, attempts: 1 }) === undefined ? "again" : "no";
    expect(
      table("guarantee | after `no`").map(([semantics = "", ...cells]) => [
        semantics,
        ...cells.map((cell) => cell.split(":")[0]),
      ]),
    ).toEqual(
      guarantees.map((semantics) => [
        semantics,
        ...(["no", "unknown", "yes"] as const).map((it) => again(semantics, it)),
      ]),
    );
  });

  it("say how each is declared", () => {
    const at = page.indexOf("| | `maybe` |");
    const [head = "", , ...rows] =
      page
        .slice(at)
        .split(/\n(?!\|)/)[0]
        ?.split("\n") ?? [];
    expect(words(head)).toEqual(guarantees);
    const [tags = [], semantics = [], overlays = []] = rows.map((row) => row.split("|").slice(2, -1));
    for (const [i, guarantee] of guarantees.entries()) {
      for (const tag of words(tags[i])) {
        const code = codeOf(`program P { version V {\n/** ${tag} */\nint F(int) = 1; } = 1; } = 9;`);
        expect(code).toContain(`Procedure<[arg: number], number, "${guarantee}">`);
      }
      expect(words(semantics[i])).toEqual([`semantics: "${guarantee}"`]);
      const [list = ""] = words(overlays[i]).map((word) => word.replace(": [...]", ""));
      expect(StoreV1.with({ [list]: ["write"] }).procedures.write.semantics).toBe(guarantee);
    }
  });
});

/** A call over an engine that is fed by hand, and how it ended. */
class Fed {
  readonly engine: StreamClientEngine;
  readonly link: ReturnType<StreamClientEngine["opened"]>;
  readonly errors: RpcError[] = [];

  constructor(options: { connected?: boolean; auth?: ClientAuth; pendingCallsMax?: number } = {}) {
    const { connected = true, auth = clientAuthNone(), pendingCallsMax } = options;
    const retryPolicy = new RetryPolicy({ attempts: 2 });
    this.engine = new StreamClientEngine({ auth, firstXid: 1, peer: "test:", pendingCallsMax, retryPolicy });
    this.link = connected ? this.engine.opened(0) : (undefined as never);
  }

  call(arg: unknown = 7, semantics: Semantics = "at-most-once"): ClientCall {
    const call = callOf(arg, semantics, (error) => this.errors.push(error));
    this.engine.start(call);
    return call;
  }

  /** What comes back behind xid and type: words in hex. */
  reply(rest: string, xid = "00000001"): void {
    const message = `${xid}00000001${rest.replaceAll(" ", "")}`;
    const mark = (0x80000000 + message.length / 2).toString(16);
    this.engine.data(this.link, new Uint8Array(Buffer.from(mark + message, "hex")), 1);
  }
}

function callOf(arg: unknown, semantics: Semantics, onError: (error: RpcError) => void): ClientCall {
  const target = { name: "T.f", program: 0x20000101, version: 1, procedure: 2, args: argsCodec([uint]), result: uint };
  const life = { semantics, startedAt: 0, deadline: 1_000 };
  return new ClientCall({ ...target, semantics }, [arg], life, () => {}, onError);
}

/** Each row's happenings, each as it can come about; what they leave behind are errors. */
const happenings: Readonly<Record<string, () => readonly RpcError[] | Promise<readonly RpcError[]>>> = {
  "an argument that the wire cannot carry, or an option out of range": async () => {
    const fed = new Fed();
    fed.call(-1);
    const refused = await connect(StoreV1, "memory://x", { timeoutMs: -1 }).catch((error: RpcError) => error);
    return [...fed.errors, refused as RpcError];
  },
  "a limit of this client was reached": () => {
    const fed = new Fed({ pendingCallsMax: 0 });
    fed.call();
    return fed.errors;
  },
  "the host is not known, or nobody can be connected to": () => {
    const fed = new Fed({ connected: false });
    fed.call();
    for (const code of ["not-found", "unavailable"] as const) {
      fed.engine.unreachable(new RpcError(code, "nobody", { executed: "no" }), 1);
    }
    return fed.errors;
  },
  "it ended (deadline, signal, `$close`) before it was sent": () => {
    const fed = new Fed({ connected: false });
    const [cancelled] = [fed.call(), fed.call()];
    fed.engine.cancel(cancelled as ClientCall, undefined, 1);
    fed.engine.tick(1_000);
    fed.call();
    fed.engine.close(1);
    return fed.errors;
  },
  "the server refused it: credential, program, version, procedure, or arguments that it cannot decode": () => {
    const fed = new Fed();
    const refusals = ["00000001 00000001 00000001", "00000000 00000000 00000000 00000001"];
    refusals.push("00000000 00000000 00000000 00000002 00000002 00000004");
    refusals.push("00000000 00000000 00000000 00000003", "00000000 00000000 00000000 00000004");
    for (const [i, refusal] of refusals.entries()) {
      fed.call();
      fed.reply(refusal, (i + 1).toString(16).padStart(8, "0"));
    }
    return fed.errors;
  },
  "the result is not what the contract says": () => {
    const fed = new Fed();
    fed.call();
    fed.reply("00000000 00000000 00000000 00000000 0000");
    return fed.errors;
  },
  "the connection was lost before the answer": () => {
    const fed = new Fed();
    fed.call();
    fed.engine.lost(fed.link, undefined, 1);
    return fed.errors;
  },
  "a datagram was sent to a port where nobody listens: the network may have doubled it": () => {
    const engine = new DatagramClientEngine({ auth: clientAuthNone(), firstXid: 1, peer: "test:" });
    const errors: RpcError[] = [];
    engine.start(callOf(7, "at-most-once", (error) => errors.push(error)));
    engine.refused(new Error("ECONNREFUSED"), 1);
    return errors;
  },
  "it ended (deadline, signal, `$close`) after it was sent": () => {
    const fed = new Fed();
    const [cancelled] = [fed.call(), fed.call()];
    fed.engine.cancel(cancelled as ClientCall, undefined, 1);
    fed.engine.tick(1_000);
    fed.call();
    fed.engine.close(1);
    return fed.errors;
  },
  "the server failed while it handled the call (SYSTEM_ERR)": () => {
    const fed = new Fed();
    fed.call();
    fed.reply("00000000 00000000 00000000 00000005");
    return fed.errors;
  },
  "what came back is no reply, or its verifier is not the server's": () => {
    const garbled = new Fed();
    garbled.call();
    garbled.reply("00000009");
    const forged = new Fed({ auth: { ...clientAuthNone(), accepted: () => false } });
    forged.call();
    forged.reply("00000000 00000000 00000000 00000000 0000000e");
    return [...garbled.errors, ...forged.errors];
  },
  "one of several transmissions was refused, and nothing is known of the others": () => {
    const fed = new Fed();
    fed.call(7, "at-least-once");
    fed.engine.lost(fed.link, undefined, 1);
    const again = new Fed();
    Object.assign(again, { engine: fed.engine, link: fed.engine.opened(2) });
    again.reply("00000000 00000000 00000000 00000001");
    return fed.errors;
  },
};

describe("the table of `executed`", () => {
  const rows = table("what happened");
  it("has the rows that are tried here", () => {
    expect(rows.map(([what]) => what)).toEqual(Object.keys(happenings));
  });

  it.each(rows.map(([what = "", executed = ""]) => [what, executed]))("says of %s: %s", async (what, executed) => {
    const errors = (await happenings[what]?.()) ?? [];
    expect(errors.length).toBeGreaterThan(0);
    for (const error of errors) expect([error.message, error.executed]).toEqual([error.message, executed]);
  });
});
