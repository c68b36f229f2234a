import { setMaxListeners } from "node:events";
import type { RpcError } from "../model/index.js";
import { harmless } from "./harmless.js";

const executedTexts = {
  no: "no: the procedure did not run, and will not",
  yes: "yes: the procedure ran",
  unknown: "unknown: the procedure may have run",
} as const;

/** A failure for stderr: what it is, whether the procedure ran, and what the protocol says. */
export function report({ message, code, executed, status, attempts }: RpcError): string {
  const lines = [`farcall: ${message}`, `  code      ${code}`, `  executed  ${executedTexts[executed]}`];
  if (status !== undefined) {
    lines.push(`  status    ${status.number} (${status.text})`);
    if (status.low !== undefined) lines.push(`  versions  the server has ${status.low} to ${status.high}`);
    if (status.why !== undefined) lines.push(`  why       ${status.why.number} (${status.why.text})`);
  }
  if (attempts > 1) lines.push(`  attempts  ${attempts}`);
  // Servers choose what their faults say.
  return lines.map((line) => `${harmless(line)}\n`).join("");
}

/**
 * Runs a call that Ctrl-C ends, which then says whether the procedure ran; a second Ctrl-C ends the command.
 *
 * @param call is given the signal that it listens to
 */
export async function interruptible<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  // Many questions may be asked at once.
  setMaxListeners(0, abort.signal);
  const onInterrupt = (): void => abort.abort();
  process.once("SIGINT", onInterrupt);
  try {
    return await call(abort.signal);
  } finally {
    process.removeListener("SIGINT", onInterrupt);
  }
}
