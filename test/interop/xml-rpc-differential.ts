// Damaged documents, read by farcall and by others: wherever they differ, a case of the table says why.
import { readFileSync } from "node:fs";
import { Random } from "../fuzz/random.js";
import { damagedDocument } from "../fuzz/targets/xml-rpc.js";
import { type DecoderName, decodeWith } from "../support/xml-rpc-decoders.js";
import { decodeHere, type Input, type Verdict } from "../support/xml-rpc-show.js";

/** Which disagreements a case of the table explains: by what both say, and where need be by the document. */
export interface Explanation {
  readonly case: string;
  readonly peer: DecoderName;
  /** Patterns of a verdict: `read` or `refused, ...`. */
  readonly ours: string;
  readonly theirs: string;
  readonly document?: string;
}

export const explanations: readonly Explanation[] = JSON.parse(
  readFileSync(new URL("../vectors/xml-rpc-disagreements.json", import.meta.url), "utf8"),
) as Explanation[];

export interface Disagreement {
  readonly index: number;
  readonly document: string;
  readonly ours: string;
  readonly theirs: string;
  readonly case: string | undefined;
}

/** Documents that go to another decoder at once. */
const batch = 500;

/** The disagreements about so many documents. */
export async function disagreements(peer: DecoderName, count: number, seed: number): Promise<Disagreement[]> {
  const found: Disagreement[] = [];
  for (let from = 0; from < count; from += batch) {
    const inputs = Array.from({ length: Math.min(batch, count - from) }, (_, i) =>
      damagedDocument(new Random(seed, 1, from + i), false),
    );
    const verdicts = await decodeWith(peer, inputs);
    for (const [i, input] of inputs.entries()) {
      const one = compare(peer, input, verdicts[i] as Verdict);
      if (one !== undefined) found.push({ index: from + i, ...one });
    }
  }
  return found;
}

function compare(peer: DecoderName, input: Input, verdict: Verdict): Omit<Disagreement, "index"> | undefined {
  const here = decodeHere(input, {});
  const value = verdict.value === undefined ? undefined : withDates(verdict.value);
  if (here.value === value) return undefined;
  const document = Buffer.from(input.bytes).toString("latin1");
  const ours = here.value ?? `refused, ${here.refused}`;
  const theirs = value ?? `refused, ${verdict.refused}`;
  const alike = alikeBut(here.value, value);
  if (alike !== undefined) return { document, ours, theirs, case: alike };
  const because = explanations.find(
    (one) =>
      one.peer === peer &&
      new RegExp(one.ours, "s").test(ours) &&
      new RegExp(one.theirs, "s").test(theirs) &&
      new RegExp(one.document ?? "", "s").test(document),
  );
  return { document, ours, theirs, case: because?.case };
}

/** What may differ in two values that are otherwise the same, by the case that says why. */
const differences: Readonly<Record<string, (value: string) => string>> = {
  biginteger: (value) => value.replace(/(?<=\d)n\b/g, ""),
  "carriage return by number": (value) => value.replace(/\\r/g, "\\n"),
  "call with spaces around the name": (value) => value.replace(/^\s+|\s+(?=\()/g, ""),
};

function alikeBut(ours: string | undefined, theirs: string | undefined): string | undefined {
  if (ours === undefined || theirs === undefined) return undefined;
  const names = Object.keys(differences);
  const without = (value: string): string => names.reduce((text, name) => differences[name]?.(text) ?? text, value);
  if (!isNearly(without(ours), without(theirs))) return undefined;
  return names.find((name) => differences[name]?.(theirs) !== theirs || differences[name]?.(ours) !== ours) ?? "double";
}

/** Whether two texts are the same but for the last digits of numbers. */
function isNearly(ours: string, theirs: string): boolean {
  const number = /-?\d+(?:\.\d+)?(?:e[-+]\d+)?/g;
  if (ours.replace(number, "#") !== theirs.replace(number, "#")) return false;
  const others = (theirs.match(number) ?? []).map(Number);
  return (ours.match(number) ?? []).every((text, i) => {
    const [one, other] = [Number(text), others[i] ?? Number.NaN];
    return Math.abs(one - other) <= Math.abs(one) * 1e-12;
  });
}

/** Others hand dates out as text: here it is what farcall makes of that. */
function withDates(value: string): string {
  return value.replace(/date ("(?:[^"\\]|\\.)*")/g, (found, text: string) => {
    const body = (JSON.parse(text) as string).replaceAll("&", "&amp;").replaceAll("<", "&lt;");
    const document = `<methodResponse><params><param><value><dateTime.iso8601>${body}</dateTime.iso8601></value></param></params></methodResponse>`;
    return decodeHere({ kind: "response", bytes: Buffer.from(document) }, {}).value ?? found;
  });
}
