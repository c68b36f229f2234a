import { limitProblem } from "../../call/call-options.js";

/** What a directory allows whoever registers and asks. Each limit has a default and a reason: docs/limits.md. */
export interface DirectoryLimits {
  /** Most registrations in all; default 16,384. One more is refused as `busy`. */
  readonly registrationsMax?: number | undefined;
  /** Most registrations of one owner; default 4,096: a quarter of all, so that one cannot take them all. */
  readonly registrationsPerOwnerMax?: number | undefined;
  /** Most bytes of memory that registrations take, interfaces included; default 64 MiB. One more is refused as `busy`. */
  readonly registrationBytesMax?: number | undefined;
  /** Most bytes of a name; default 255. */
  readonly nameSizeMax?: number | undefined;
  /** Most bytes of an interface's text; default 65,536: the `.x` file of NFS version 3 has 25,000. */
  readonly interfaceSizeMax?: number | undefined;
  /** The longest lease in milliseconds; default one hour. Who wants more gets that. */
  readonly leaseMsMax?: number | undefined;
  /** Most callers that wait for changes; default 4,096. One more has the first to wait answered, which asks again. */
  readonly watchersMax?: number | undefined;
}

export const directoryLimitDefaults: { readonly [K in keyof DirectoryLimits]-?: number } = {
  registrationsMax: 16_384,
  registrationsPerOwnerMax: 4_096,
  registrationBytesMax: 64 * 2 ** 20,
  nameSizeMax: 255,
  interfaceSizeMax: 65_536,
  leaseMsMax: 3_600_000,
  watchersMax: 4_096,
};

/** The shortest lease, in milliseconds: below it a server would do nothing but renew. */
export const leaseMsMin = 1_000;

/** The lease of who does not say, in milliseconds: so long a server that has died is still handed out. */
export const leaseMsDefault = 10_000;

/** @throws RangeError for a limit that is none */
export function resolveDirectoryLimits(options: DirectoryLimits): Required<typeof directoryLimitDefaults> {
  const limits = { ...directoryLimitDefaults };
  for (const name of Object.keys(limits) as (keyof DirectoryLimits)[]) {
    const value = options[name];
    const problem = limitProblem(value);
    if (problem !== undefined) throw new RangeError(`${name} ${problem}`);
    if (value !== undefined) (limits as Record<string, number>)[name] = value;
  }
  return limits;
}
