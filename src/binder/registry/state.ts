import { type Registration, transports } from "./registry.js";

// What a binder leaves behind for the one that starts after it.

const format = "farcall binder";

/** Registrations as text. */
export function formatState(registrations: readonly Registration[]): string {
  const lines = registrations.map(({ prog, vers, netid, addr, owner }) => {
    return `    ${JSON.stringify({ prog, vers, netid, addr, owner })}`;
  });
  const list = lines.length === 0 ? "[]" : `[\n${lines.join(",\n")}\n  ]`;
  return `{\n  "format": "${format}",\n  "version": 1,\n  "registrations": ${list}\n}\n`;
}

/**
 * The registrations in such a text.
 *
 * @throws SyntaxError that says what is wrong with it
 */
export function parseState(text: string): Registration[] {
  const state = JSON.parse(text) as { format?: unknown; version?: unknown; registrations?: unknown } | null;
  if (typeof state !== "object" || state?.format !== format) throw new SyntaxError(`it has no "format": "${format}"`);
  if (state.version !== 1)
    throw new SyntaxError(`its version is ${JSON.stringify(state.version)}, and 1 is known here`);
  if (!Array.isArray(state.registrations)) throw new SyntaxError("it has no list of registrations");
  return state.registrations.map((entry: unknown, i) => {
    const problem = problemOf(entry);
    if (problem !== undefined) throw new SyntaxError(`registration ${i + 1}: ${problem}`);
    const { prog, vers, netid, addr, owner } = entry as Registration;
    return { prog, vers, netid, addr, owner };
  });
}

function problemOf(entry: unknown): string | undefined {
  if (typeof entry !== "object" || entry === null) return "it is no object";
  const { prog, vers, netid, addr, owner } = entry as Record<string, unknown>;
  for (const [name, value] of Object.entries({ prog, vers })) {
    const isUint = typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
    if (!isUint) return `${name} is no unsigned 32-bit integer`;
  }
  if (typeof netid !== "string" || !transports.has(netid))
    return `netid is none of ${[...transports.keys()].join(", ")}`;
  if (typeof addr !== "string") return "addr is no text";
  return typeof owner === "string" ? undefined : "owner is no text";
}
