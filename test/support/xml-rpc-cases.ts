// The table of decoding cases: test/vectors/xml-rpc-decoding.json. Tests run it, and docs/xml-rpc-decoding.md shows it.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { XmlRpcOptions } from "farcall/xmlrpc";
import type { Input, Verdict } from "./xml-rpc-show.js";

/** A document and what it means, or why it means nothing. */
export interface DecodingCase {
  readonly name: string;
  readonly group: string;
  /** What the specification allows; what peers write all the same; what nobody should. */
  readonly kind: "legal" | "doubtful" | "hostile";
  /** A whole document, or what stands in the one value of an answer. */
  readonly call?: string;
  readonly response?: string;
  readonly value?: string;
  /** What stands for `{name}` in the document: a text, so many times. In it, `{i}` is the number of the time. */
  readonly parts?: Readonly<Record<string, readonly [text: string, times: number]>>;
  /** How the document's characters become bytes; UTF-8 by default. In `latin1` each character is a byte. */
  readonly as?: "latin1" | "utf-16le" | "utf-16be";
  /** Bytes to leave out at the end. */
  readonly cut?: number;
  readonly charset?: string;
  readonly options?: XmlRpcOptions;
  /** The value, or `refused, KIND: MESSAGE`. */
  readonly strict: string;
  readonly compat: string;
  /** What the others answer; absent where they are not asked. Their reasons for refusing are their own. */
  readonly python?: string;
  readonly "xmlrpc-c"?: string;
  /** Why it is so, where the specification does not say. */
  readonly why?: string;
}

export const casesFile: string = fileURLToPath(new URL("../vectors/xml-rpc-decoding.json", import.meta.url));

export const cases: readonly DecodingCase[] = JSON.parse(readFileSync(casesFile, "utf8")) as DecodingCase[];

/** The document of a case, as bytes. */
export function inputOf(one: DecodingCase): Input {
  const { call, response, value } = one;
  const document =
    call ?? response ?? `<methodResponse><params><param><value>${value}</value></param></params></methodResponse>`;
  const text = document.replace(/\{(\w+)\}/g, (found, name: string) => {
    const [part, times] = one.parts?.[name] ?? [found, 1];
    if (!part.includes("{i}")) return part.repeat(times);
    return Array.from({ length: times }, (_, i) => part.replaceAll("{i}", String(i))).join("");
  });
  const bytes = bytesOf(text, one.as);
  return { kind: call === undefined ? "response" : "call", bytes: bytes.subarray(0, bytes.length - (one.cut ?? 0)) };
}

function bytesOf(text: string, as: DecodingCase["as"]): Uint8Array {
  if (as !== "utf-16be") return new Uint8Array(Buffer.from(text, as ?? "utf-8"));
  return new Uint8Array(Buffer.from(text, "utf-16le").swap16());
}

/** A verdict as the table has it: a long one without its middle. */
export function answerOf(verdict: Verdict): string {
  return short(verdict.value ?? `refused, ${verdict.refused}`);
}

/** The same of another decoder, whose reasons are its own. */
export function otherAnswerOf(verdict: Verdict): string {
  if (verdict.refused === undefined) return short(verdict.value);
  return verdict.refused === "crashed" ? "crashed" : "refused";
}

function short(answer: string): string {
  const { length } = answer;
  return length <= 300 ? answer : `${answer.slice(0, 60)} ... ${answer.slice(-40)} (${length} characters)`;
}
