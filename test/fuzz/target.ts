import type { Random } from "./random.js";

/** Something that is fuzzed. */
export interface Target {
  readonly name: string;
  /** Its part of all inputs: the compiler takes far longer for one than a decoder. */
  readonly share: number;
  /** Bytes it may allocate for any input, however small: engines are made anew for each, errors have stacks. */
  readonly allowance: number;
  /**
   * Makes an input: what is run, and its size in bytes. Running it throws, or says what is wrong, when it is. A large
   * input is one whose allocations can be told from the allowance.
   */
  make(random: Random, large: boolean): Input;
}

export interface Input {
  readonly size: number;
  readonly run: () => string | undefined;
  /** What is measured instead, where finding out whether all is right takes more memory than what is tested. */
  readonly bare?: () => undefined;
}
