// Other decoders of XML-RPC, to compare with: Python's and xmlrpc-c's.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { buildPeer, programs } from "./c-peers.js";
import { type Input, show, showCall, showFault, type Verdict } from "./xml-rpc-show.js";

export type DecoderName = "python" | "xmlrpc-c";

const script = fileURLToPath(new URL("../interop/xml-rpc/decode.py", import.meta.url));

/** Runs documents through a decoder, each in its turn. One that ends the decoder is `crashed`, and the rest go to another. */
export async function decodeWith(name: DecoderName, inputs: readonly Input[]): Promise<Verdict[]> {
  const [command, args] = name === "python" ? ["python3", [script]] : [await buildPeer(programs.xmlRpcDecoder), []];
  const verdicts: Verdict[] = [];
  while (verdicts.length < inputs.length) {
    const frames = inputs.slice(verdicts.length).flatMap(({ kind, bytes }) => {
      const head = Buffer.alloc(5);
      head.writeUInt32BE(bytes.length);
      head.write(kind === "call" ? "c" : "r", 4);
      return [head, bytes];
    });
    const { stdout, error } = spawnSync(command, args, {
      input: Buffer.concat(frames),
      maxBuffer: 1 << 28,
      timeout: 120_000,
    });
    if (error !== undefined) throw error;
    const lines = stdout.toString("latin1").split("\n");
    lines.pop();
    for (const line of lines) verdicts.push(verdictOf(JSON.parse(line) as Answer));
    if (verdicts.length < inputs.length) verdicts.push({ refused: "crashed" });
  }
  return verdicts;
}

/** What the programs in test/interop/xml-rpc print: texts are hexadecimal, so that any bytes are text. */
type Answer =
  | { readonly error: string }
  | { readonly method: string; readonly params: Shown }
  | { readonly fault: number; readonly string: string }
  | { readonly values: Shown }
  | { readonly value: Shown };

interface Shown {
  readonly int?: string;
  readonly double?: string;
  readonly boolean?: boolean;
  readonly string?: string;
  readonly date?: string;
  readonly base64?: string;
  readonly array?: readonly Shown[];
  readonly struct?: readonly (readonly [name: string, value: Shown])[];
  readonly nil?: true;
  readonly unreadable?: true;
}

function verdictOf(answer: Answer): Verdict {
  if ("error" in answer) return { refused: textOf(answer.error) };
  if ("fault" in answer) return { value: showFault(answer.fault, textOf(answer.string)) };
  if ("method" in answer) return { value: showCall(textOf(answer.method), (answer.params.array ?? []).map(print)) };
  if ("values" in answer) return { value: `values ${print(answer.values)}` };
  return { value: print(answer.value) };
}

function textOf(hexadecimal: string): string {
  return Buffer.from(hexadecimal, "hex").toString("utf8");
}

function print(shown: Shown): string {
  if (shown.int !== undefined) {
    const number = Number(shown.int);
    return show(Number.isSafeInteger(number) ? number : BigInt(shown.int));
  }
  if (shown.double !== undefined) {
    const { double } = shown;
    const special = /^(-?)(inf|nan)/.exec(double);
    if (special === null) return show(Number(double));
    return show(special[2] === "nan" ? Number.NaN : special[1] === "-" ? -Infinity : Infinity);
  }
  if (shown.boolean !== undefined) return show(shown.boolean);
  if (shown.string !== undefined) return show(textOf(shown.string));
  if (shown.date !== undefined) return `date ${JSON.stringify(textOf(shown.date))}`;
  if (shown.base64 !== undefined) return show(new Uint8Array(Buffer.from(shown.base64, "hex")));
  if (shown.array !== undefined) return `[${shown.array.map(print).join(", ")}]`;
  if (shown.struct !== undefined) {
    // In JavaScript's order, which puts names like numbers first: a struct has none of its own.
    const members = Object.entries(Object.fromEntries(shown.struct.map(([name, value]) => [textOf(name), value])));
    return `{${members.map(([name, value]) => `${JSON.stringify(name)}: ${print(value)}`).join(", ")}}`;
  }
  if (shown.nil === true) return "null";
  return "unreadable";
}
