import type { Mapping, Rpcb } from "../../binder/rpcbind/rpcbind.js";
import { harmless } from "../harmless.js";
import type { ServiceNames } from "./service-names.js";

// The three tables of rpcinfo, column for column. What a rpcbind says is text of a stranger: it must not reach a
// terminal as commands.

/** A version of a program, as the port mapper lists it. */
export interface MappingRow {
  readonly program: number;
  readonly version: number;
  /** `tcp`, `udp`, or IANA's number of another protocol. */
  readonly protocol: string;
  readonly port: number;
  readonly service: string | null;
}

/** A program with all its versions and transports. */
export interface SummaryRow {
  readonly program: number;
  readonly versions: readonly number[];
  readonly netids: readonly string[];
  readonly service: string | null;
  readonly owner: string;
}

/** A version of a program over one transport. */
export interface EntryRow {
  readonly program: number;
  readonly version: number;
  readonly netid: string;
  readonly address: string;
  readonly owner: string;
  readonly service: string | null;
}

const protocols: ReadonlyMap<number, string> = new Map([
  [6, "tcp"],
  [17, "udp"],
]);

export function protocolName(number: number): string {
  return protocols.get(number) ?? String(number);
}

export function mappingRows(mappings: readonly Mapping[], names: ServiceNames): MappingRow[] {
  return mappings.map(({ prog, vers, prot, port }) => ({
    program: prog,
    version: vers,
    protocol: protocolName(prot),
    port,
    service: names.name(prog) ?? null,
  }));
}

export function entryRows(entries: readonly Rpcb[], names: ServiceNames): EntryRow[] {
  return entries.map(({ prog, vers, netid, addr, owner }) => ({
    program: prog,
    version: vers,
    netid,
    address: addr,
    owner,
    service: names.name(prog) ?? null,
  }));
}

/** One row a program, in the order in which programs appear; versions and netids last first, as rpcinfo has them. */
export function summaryRows(entries: readonly Rpcb[], names: ServiceNames): SummaryRow[] {
  const rows = new Map<number, { versions: Set<number>; netids: Set<string>; owner: string }>();
  for (const { prog, vers, netid, owner } of entries) {
    let row = rows.get(prog);
    if (row === undefined) {
      row = { versions: new Set(), netids: new Set(), owner };
      rows.set(prog, row);
    }
    row.versions.add(vers);
    row.netids.add(netid);
  }
  return [...rows].map(([program, { versions, netids, owner }]) => ({
    program,
    versions: [...versions].reverse(),
    netids: [...netids].reverse(),
    service: names.name(program) ?? null,
    owner,
  }));
}

/** `rpcinfo -p`. */
export function mappingTable(rows: readonly MappingRow[]): string {
  return table("   program vers proto   port  service", rows, ({ program, version, protocol, port, service }) => {
    const columns = [right(program, 10), right(version, 5), right(protocol, 6), right(port, 7)];
    return `${columns.join("")}${service === null ? "" : `  ${service}`}`;
  });
}

/** `rpcinfo -s`. */
export function summaryTable(rows: readonly SummaryRow[]): string {
  const header = "   program version(s) netid(s)                         service     owner";
  return table(header, rows, ({ program, versions, netids, service, owner }) => {
    const lists = `${left(versions.join(","), 10)}${left(netids.join(","), 32)}`;
    return `${right(program, 10)}  ${lists} ${left(service ?? "-", 11)} ${owner}`;
  });
}

/** `rpcinfo` without options. */
export function entryTable(rows: readonly EntryRow[]): string {
  const header = "   program version netid     address                service    owner";
  return table(header, rows, ({ program, version, netid, address, service, owner }) => {
    const place = `${left(netid, 9)} ${left(address, 22)}`;
    return `${right(program, 10)}${right(version, 5)}    ${place} ${left(service ?? "-", 10)} ${owner}`;
  });
}

function table<T>(header: string, rows: readonly T[], line: (row: T) => string): string {
  if (rows.length === 0) return "No remote programs registered.\n";
  return [header, ...rows.map((row) => harmless(line(row)))].map((text) => `${text}\n`).join("");
}

const right = (value: string | number, width: number): string => String(value).padStart(width);
const left = (value: string, width: number): string => value.padEnd(width);
