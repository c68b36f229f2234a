// What a fuzz target is, and what several of them are made of.
import { fragment } from "../support/raw-messages.js";
import { join, Random } from "./random.js";

export interface Target {
  readonly name: string;
  /** Its part of all inputs: the compiler takes far longer for one than a decoder. */
  readonly share: number;
  /** Bytes that it may allocate for any input, however small. Each says what they are for. */
  readonly allowance: number;
  /**
   * Bytes that it may allocate for one byte of input, garbage included, where that is more than 32; then what it holds
   * in the end must not be.
   */
  readonly garbage?: number;
  /** Makes an input; a large one is one whose allocations the allowance cannot hide. */
  make(random: Random, large: boolean): Input;
}

export interface Input {
  /** In bytes. */
  readonly size: number;
  /** Sets up what the input is given to, which is not measured. Each task is run once. */
  prepare(): Task;
}

export interface Task {
  /** Takes the input in: the part whose allocations count. It throws only what is a defect. */
  work(): void;
  /** Says what is wrong with what became of it. */
  check(): string | undefined;
}

/** What valid messages are made from, the same in every run. */
export const corpusRandom: Random = new Random(1, 0, 0);

/** Three messages, or many. */
export function some(random: Random, corpus: readonly Uint8Array[], large: boolean): Uint8Array[] {
  return Array.from({ length: large ? 200 : 3 }, () => random.pick(corpus));
}

/** Records of any fragments. */
export function records(random: Random, pieces: readonly Uint8Array[]): Uint8Array {
  return join(
    ...pieces.flatMap((message) => {
      const cut = random.below(3) === 0 ? random.below(message.length + 1) : 0;
      return cut === 0
        ? [fragment(message, true)]
        : [fragment(message.subarray(0, cut), false), fragment(message.subarray(cut), true)];
    }),
  );
}

/** Cuts bytes into chunks, as a network may. */
export function chunksOf(random: Random, bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = random.below(3) === 0 ? 1 + random.below(8) : bytes.length;
    chunks.push(bytes.slice(at, at + size));
    at += size;
  }
  return chunks;
}

/** What engines on streams are given: a mark that claims more is soon found. */
export const limits = { recordSizeMax: 65_536, fragmentsMax: 16 };
