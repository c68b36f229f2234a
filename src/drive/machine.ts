import { randomBytes } from "node:crypto";
import { type Clock, realClock } from "./clock.js";

/** What a client or a server takes from the machine that it runs on, besides sockets: time and chance. */
export interface Machine {
  readonly clock: Clock;
  /** A number from 0 to below 1, for what nobody gains by guessing, such as jitter. */
  readonly random: () => number;
  /** Bytes that nobody can guess, for identifiers. */
  readonly randomBytes: (size: number) => Uint8Array;
}

/** The one that the process runs on. */
export const realMachine: Machine = {
  clock: realClock,
  random: Math.random,
  randomBytes: (size) => randomBytes(size),
};
