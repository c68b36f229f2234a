import type { Executed } from "../../model/index.js";

// What two ends that are both farcall tell each other beside the documents, in one header of structured fields (RFC 9651):
//   Farcall: executed=no                      of an answer that is no result: whether the procedure ran
//   Farcall: inner=ynu                        the same for each inner call of a system.multicall
//   Farcall: store="...", durable, shared, transactional
//                                             of any answer: what the server keeps replies in
//   Farcall: store="...", timeout=1500        of a request: which memory it is to meet, and how many milliseconds are left
// Other clients and servers neither send nor read it.

/** Where a server keeps replies. */
export interface StoreNote {
  /** Another store, or one that has lost its memory, has another name. */
  readonly id: string;
  readonly durable: boolean;
  readonly shared: boolean;
  readonly transactional: boolean;
}

export interface FarcallNote {
  readonly executed: Executed | undefined;
  /** A letter for each inner call: `y`, `n` or `u`. */
  readonly inner: string | undefined;
  readonly store: StoreNote | undefined;
  /** Milliseconds until the caller gives up. */
  readonly timeoutMs: number | undefined;
}

const nothingSaid: FarcallNote = { executed: undefined, inner: undefined, store: undefined, timeoutMs: undefined };

/** Reads the header. What it does not know is left out: a later version may say more. */
export function readFarcallHeader(value: string | undefined): FarcallNote {
  if (value === undefined || value.length > 65_536) return nothingSaid;
  const members = new Map<string, string>();
  for (const part of value.split(",")) {
    const [, name = "", text = ""] = /^\s*([a-z]+)(?:=("[\w-]{1,128}"|[a-z]+|\d{1,10}))?\s*$/.exec(part) ?? [];
    if (name !== "") members.set(name, text.replaceAll('"', ""));
  }
  const executed = members.get("executed");
  const store = members.get("store");
  return {
    executed: executed === "no" || executed === "yes" || executed === "unknown" ? executed : undefined,
    inner: members.get("inner"),
    store:
      store === undefined
        ? undefined
        : {
            id: store,
            durable: members.has("durable"),
            shared: members.has("shared"),
            transactional: members.has("transactional"),
          },
    timeoutMs: /^\d+$/.test(members.get("timeout") ?? "") ? Number(members.get("timeout")) : undefined,
  };
}

export function innerExecuted(inner: string | undefined, index: number): Executed | undefined {
  switch (inner?.[index]) {
    case "y":
      return "yes";
    case "n":
      return "no";
    case "u":
      return "unknown";
    default:
      return undefined;
  }
}

export function innerLetter(executed: Executed): string {
  return executed.charAt(0);
}

/** The header's value. */
export function writeFarcallHeader(note: Partial<FarcallNote>): string {
  const { executed, inner, store, timeoutMs } = note;
  const members: string[] = [];
  if (executed !== undefined) members.push(`executed=${executed}`);
  if (inner !== undefined) members.push(`inner=${inner}`);
  if (store !== undefined) {
    members.push(`store="${store.id}"`);
    if (store.durable) members.push("durable");
    if (store.shared) members.push("shared");
    if (store.transactional) members.push("transactional");
  }
  if (timeoutMs !== undefined) members.push(`timeout=${timeoutMs}`);
  return members.join(", ");
}
