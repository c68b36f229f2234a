import { Resolver, type SrvRecord } from "node:dns";
import { anyVersion, type DirectoryEntry, type DirectoryStore, type DirectoryView } from "./contract.js";

export interface DnsDirectoryStoreOptions {
  /** The zone: the name `calc` is looked up as `_calc._tcp.DOMAIN`. */
  readonly domain: string;
  /** Name servers, such as `192.0.2.53` or `127.0.0.1:5353`; default: the system's. */
  readonly servers?: readonly string[] | undefined;
  /** What is looked for; default `["tcp"]`. */
  readonly transports?: readonly ("tcp" | "udp" | "tls")[] | undefined;
  /** Milliseconds after which an answer is asked for anew; default 5,000. */
  readonly refreshMs?: number | undefined;
  /** Milliseconds that a name server may take; default 1,000. It is asked twice. */
  readonly timeoutMs?: number | undefined;
}

const refreshMsDefault = 5_000;
const timeoutMsDefault = 1_000;

/** Names that are remembered, and instances of one name. */
const namesMax = 1_024;
const instancesMax = 256;

interface Known {
  readonly entries: readonly DirectoryEntry[];
  readonly askedAt: number;
}

/**
 * Names from SRV records (RFC 2782), which somebody else has put into DNS: for reading only. DNS knows no versions, so an
 * instance is taken to serve any; it knows no leases and no interfaces, and cannot list its names.
 */
export function dnsDirectoryStore(options: DnsDirectoryStoreOptions): DirectoryStore {
  const { domain, transports = ["tcp"], refreshMs = refreshMsDefault } = options;
  const dns = new Resolver({ timeout: options.timeoutMs ?? timeoutMsDefault, tries: 2 });
  if (options.servers !== undefined) dns.setServers([...options.servers]);
  const known = new Map<string, Known>();
  const watchers = new Set<(name: string) => void>();
  let timer: NodeJS.Timeout | undefined;

  const ask = async (name: string): Promise<DirectoryView> => {
    const answers = await Promise.all(transports.map((transport) => services(dns, name, transport, domain)));
    const last = known.get(name);
    if (answers.some((answer) => answer === undefined)) return { entries: last?.entries ?? [], complete: false };
    const entries = answers.flatMap((answer) => answer ?? []).slice(0, instancesMax);
    if (known.size >= namesMax && last === undefined) known.delete(known.keys().next().value as string);
    known.set(name, { entries, askedAt: performance.now() });
    if (last !== undefined && JSON.stringify(last.entries) !== JSON.stringify(entries)) {
      for (const watcher of [...watchers]) watcher(name);
    }
    return { entries, complete: true };
  };
  const readOnly = async (): Promise<never> => {
    throw new Error("DNS is for reading only");
  };
  const find = async (name: string): Promise<DirectoryView> => {
    const last = known.get(name);
    const isFresh = last !== undefined && performance.now() - last.askedAt < refreshMs;
    return isFresh ? { entries: last.entries, complete: true } : await ask(name);
  };
  return {
    writable: false,
    durable: true,
    shared: true,
    put: readOnly,
    renew: async () => false,
    remove: async () => false,
    find: async (name, version) => {
      const { entries, complete } = await find(name);
      const isWanted = (entry: DirectoryEntry): boolean => version === undefined || entry.version === version;
      return { entries: entries.filter((entry) => isWanted(entry) || entry.version === anyVersion), complete };
    },
    list: async () => ({ entries: [], complete: false }),
    usage: async () => ({ entries: 0, ofOwner: 0, bytes: 0 }),
    watch(onChange) {
      const watcher = (name: string): void => onChange(name);
      watchers.add(watcher);
      // DNS tells nobody: the names that were asked for are asked for again.
      timer ??= setInterval(() => {
        for (const name of known.keys()) void find(name).catch(() => {});
      }, refreshMs).unref();
      return () => {
        watchers.delete(watcher);
        if (watchers.size > 0) return;
        clearInterval(timer);
        timer = undefined;
      };
    },
    async close() {
      clearInterval(timer);
      dns.cancel();
    },
  };
}

/** @returns undefined when the name servers could not say */
async function services(
  dns: Resolver,
  name: string,
  transport: string,
  domain: string,
): Promise<DirectoryEntry[] | undefined> {
  // A label has at most 63 bytes; what is not one is in no zone.
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,61}$/.test(name)) return [];
  const protocol = transport === "tls" ? "tcp" : transport;
  const records = await new Promise<SrvRecord[] | undefined>((resolve) => {
    dns.resolveSrv(`_${name}._${protocol}.${domain}`, (error, found) => {
      if (error === null) resolve(found);
      else resolve(error.code === "ENOTFOUND" || error.code === "ENODATA" ? [] : undefined);
    });
  });
  return records
    ?.filter(({ name: target, port }) => port > 0 && target !== "" && target !== ".")
    .map(({ name: target, port, priority, weight }) => ({
      id: "",
      name,
      version: anyVersion,
      address: `${transport}://${target}:${port}`,
      interface: "",
      owner: "DNS",
      leaseMs: 0,
      priority,
      weight,
    }))
    .sort((a, b) => a.priority - b.priority || (a.address < b.address ? -1 : 1));
}
