import { InvalidArgumentError } from "commander";

/** A number that an unsigned 32-bit integer holds, for an option. */
export function unsigned(text: string): number {
  const value = Number(text);
  if (!/^(\d+|0x[0-9a-fA-F]+)$/.test(text) || value > 0xffff_ffff) {
    throw new InvalidArgumentError("It must be a whole number from 0 to 4294967295.");
  }
  return value;
}

/** A time that a timer can wait, for an option. */
export function milliseconds(text: string): number {
  const value = Number(text);
  // What the timers can wait, some 24 days.
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0 || value > 2 ** 31 - 1) {
    throw new InvalidArgumentError("It must be a number of milliseconds above 0, up to 2147483647.");
  }
  return value;
}
