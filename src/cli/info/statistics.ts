import type { AddressCount, RemoteCount, Statistics, StatisticsByVersion } from "../../binder/rpcbind/rpcbind.js";
import { harmless } from "../harmless.js";
import { mapsIn } from "./dump.js";
import type { ServiceNames } from "./service-names.js";

// What a rpcbind was asked so far, as rpcinfo lists it.

const headers = {
  2: ["NULL", "SET", "UNSET", "GETPORT", "DUMP", "CALLIT"],
  3: ["NULL", "SET", "UNSET", "GETADDR", "DUMP", "CALLIT", "TIME", "U2T", "T2U"],
  4: [
    ...["NULL", "SET", "UNSET", "GETADDR", "DUMP", "CALLIT", "TIME", "U2T", "T2U"],
    ...["VERADDR", "INDRECT", "GETLIST", "GETSTAT"],
  ],
} as const;

/** Columns are of eight characters, or of a multiple of that. */
const column = 8;

/** One version's, for JSON. */
export interface StatisticsRow {
  readonly version: number;
  /** Calls of each procedure. */
  readonly calls: Readonly<Record<string, number>>;
  /** Those of SET and UNSET that did something. */
  readonly set: number;
  readonly unset: number;
  readonly addresses: readonly object[];
  readonly remoteCalls: readonly object[];
}

export function statisticsRows(all: StatisticsByVersion): StatisticsRow[] {
  return ([2, 3, 4] as const).map((version, i) => {
    const { info = [], setinfo = 0, unsetinfo = 0, addrinfo = null, rmtinfo = null } = all[i] ?? {};
    return {
      version,
      calls: Object.fromEntries(headers[version].map((name, number) => [name, info[number] ?? 0])),
      set: setinfo,
      unset: unsetinfo,
      addresses: [...mapsIn(addrinfo)].map(({ prog, vers, netid, success, failure }) => {
        return { program: prog, version: vers, netid, success, failure };
      }),
      remoteCalls: [...mapsIn(rmtinfo)].map(({ prog, vers, proc, netid, success, failure, indirect }) => {
        return { program: prog, version: vers, procedure: proc, netid, success, failure, by: indirect };
      }),
    };
  });
}

/** `rpcinfo -m`. */
export function statisticsText(all: StatisticsByVersion, names: ServiceNames): string {
  const [two, three, four] = all;
  if (two === undefined || three === undefined || four === undefined) return "";
  return [
    "PORTMAP (version 2) statistics\n",
    `${counters(2, two, 0, 6)}\n`,
    details("PMAP_RMTCALL", two.info[5], () => remoteTable(two, names), "after"),
    details("PMAP_GETPORT", two.info[3], () => addressTable(two, names), "after"),
    "RPCBIND (version 3) statistics\n",
    `${counters(3, three, 0, 9)}\n`,
    details("RPCB_RMTCALL (version 3)", three.info[5], () => remoteTable(three, names), "after"),
    details("RPCB_GETADDR (version 3)", three.info[3], () => addressTable(three, names), "after"),
    "RPCBIND (version 4) statistics\n",
    counters(4, four, 0, 9),
    counters(4, four, 9, 13),
    details("RPCB_RMTCALL (version 4)", sum(four.info[5], four.info[10]), () => remoteTable(four, names), "before"),
    details("RPCB_GETADDR (version 4)", four.info[3], () => addressTable(four, names), "before"),
  ].join("");
}

function counters(version: 2 | 3 | 4, statistics: Statistics, from: number, to: number): string {
  const { info, setinfo, unsetinfo, addrinfo, rmtinfo } = statistics;
  const done: Readonly<Record<number, number>> = {
    1: setinfo,
    2: unsetinfo,
    3: successes(addrinfo),
    5: successes(rmtinfo),
  };
  let [names, values] = ["", ""];
  for (let procedure = from; procedure < to; procedure++) {
    // What GETADDRLIST finds is counted with what GETADDR does.
    const calls = version === 4 && procedure === 3 ? sum(info[3], info[11]) : (info[procedure] ?? 0);
    const value = procedure in done ? `${done[procedure]}/${calls}` : String(calls);
    const width = column * (1 + Math.floor(value.length / column));
    names += (headers[version][procedure] ?? "").padEnd(width);
    values += value.padEnd(width);
  }
  return `${names}\n${values}\n`;
}

function details(title: string, calls: number | undefined, table: () => string, blank: "before" | "after"): string {
  if (calls === undefined || calls === 0) return "";
  const text = `${title} call statistics\n${table()}`;
  return blank === "before" ? `\n${text}` : `${text}\n`;
}

function addressTable({ addrinfo }: Statistics, names: ServiceNames): string {
  const rows = [...mapsIn(addrinfo)].map(({ prog, vers, netid, success, failure }) => {
    return `${nameOf(prog, names)}${vers}\t${netid}\t  ${String(success).padEnd(12)}\t${failure}`;
  });
  return ["prog\t\tvers\tnetid\t  success\tfailure", ...rows.map(printable)].map((row) => `${row}\n`).join("");
}

function remoteTable({ rmtinfo }: Statistics, names: ServiceNames): string {
  const rows = [...mapsIn(rmtinfo)].map(({ prog, vers, proc, netid, success, failure }) => {
    return `${nameOf(prog, names)}${vers}\t${proc}\t${netid}\t${success}\t${failure}`;
  });
  return ["prog\t\tvers\tproc\tnetid\tsuccess\tfailure", ...rows.map(printable)].map((row) => `${row}\n`).join("");
}

/** The tabs are ours, whatever the netid is. */
const printable = (row: string): string => row.split("\t").map(harmless).join("\t");

function nameOf(program: number, names: ServiceNames): string {
  return (names.name(program) ?? String(program)).padEnd(16);
}

function successes(list: AddressCount | RemoteCount | null): number {
  let count = 0;
  for (const { success } of mapsIn<{ readonly success: number; readonly next: never }>(list as never)) count += success;
  return count;
}

const sum = (...numbers: readonly (number | undefined)[]): number => {
  return numbers.reduce<number>((total, one) => total + (one ?? 0), 0);
};
