import type { AllowList, LocalOptions, LocalPeer, ServiceAccess } from "../model/index.js";

// Who of this machine's users may call what. Whoever is on no list may call nothing.

/** Finds the numbers of users and groups; undefined for a name that nobody has. */
export interface NameLookup {
  uidOf(user: string): number | undefined;
  gidOf(group: string): number | undefined;
}

/** A list with its names looked up. */
export class LocalUsers {
  readonly #uids: ReadonlySet<number>;
  readonly #gids: ReadonlySet<number>;

  /** @throws RangeError for a number that is none, and for a name that nobody has */
  constructor(list: AllowList, names: NameLookup) {
    const { uids = [], gids = [], users = [], groups = [] } = list;
    for (const uid of uids) checkId("uid", uid);
    for (const gid of gids) checkId("gid", gid);
    const found = (name: string, kind: string, id: number | undefined): number => {
      if (id === undefined) throw new RangeError(`this machine has no ${kind} ${JSON.stringify(name)}`);
      return id;
    };
    this.#uids = new Set([...uids, ...users.map((name) => found(name, "user", names.uidOf(name)))]);
    this.#gids = new Set([...gids, ...groups.map((name) => found(name, "group", names.gidOf(name)))]);
  }

  has({ uid, gid, groups }: LocalPeer): boolean {
    if (uid !== undefined && this.#uids.has(uid)) return true;
    if (this.#gids.size === 0) return false;
    return (gid !== undefined && this.#gids.has(gid)) || groups.some((group) => this.#gids.has(group));
  }
}

function checkId(what: string, id: number): void {
  if (!Number.isInteger(id) || id < 0 || id > 0xffff_fffe) {
    throw new RangeError(`a ${what} is an unsigned 32-bit integer, not ${id}`);
  }
  if (id === unmapped) {
    throw new RangeError(`${what} ${unmapped} is what users without a number here have: it cannot be allowed`);
  }
}

/** What the kernel says of a user or group that has no number in this user namespace. */
const unmapped = 65_534;

type List = LocalUsers | "everyone";
type GivenList = AllowList | "everyone";

interface ServiceLists {
  readonly given: ServiceAccess<Record<string, unknown>>;
  all: List;
  readonly procedures: Map<string, List>;
}

/** The lists of one server. */
export class LocalAccess {
  readonly #given: GivenList;
  readonly #services = new Map<object, ServiceLists>();
  #names: NameLookup | undefined;
  #all: List = nobody;

  /** @param ownUid the server's effective user, who may call unless a list says otherwise */
  constructor({ allow }: LocalOptions, ownUid: number) {
    this.#given = allow ?? { uids: [ownUid, 0] };
    checkList(this.#given, "local.allow");
  }

  /**
   * Notes the lists of a service, under a key that `admits` is asked with.
   *
   * @throws RangeError, TypeError for a list that is none, and, when names are looked up already, for an unknown one
   */
  add(key: object, label: string, given: ServiceAccess<Record<string, unknown>>): void {
    if (given.allow !== undefined) checkList(given.allow, `${label}: allow`);
    for (const [name, list] of Object.entries(given.allowProcedures ?? {})) {
      if (list !== undefined) checkList(list, `${label}: allowProcedures.${name}`);
    }
    const lists: ServiceLists = { given, all: nobody, procedures: new Map() };
    if (this.#names !== undefined) this.#resolve(lists, this.#names);
    this.#services.set(key, lists);
  }

  /**
   * Looks the names up. Until then nobody may call anything.
   *
   * @throws RangeError for an unknown name
   */
  resolve(names: NameLookup): void {
    if (this.#names !== undefined) return;
    this.#all = listOf(this.#given, names);
    for (const lists of this.#services.values()) this.#resolve(lists, names);
    this.#names = names;
  }

  #resolve(lists: ServiceLists, names: NameLookup): void {
    const { allow, allowProcedures = {} } = lists.given;
    lists.all = allow === undefined ? this.#all : listOf(allow, names);
    for (const [name, list] of Object.entries(allowProcedures)) {
      if (list !== undefined) lists.procedures.set(name, listOf(list, names));
    }
  }

  /** Whether somebody may call a procedure of a service; nobody known may not. */
  admits(peer: LocalPeer | undefined, key: object, procedure: string): boolean {
    const lists = this.#services.get(key);
    return isOn(lists?.procedures.get(procedure) ?? lists?.all ?? this.#all, peer);
  }

  /** Whether there is anything that somebody may call. */
  admitsAny(peer: LocalPeer | undefined): boolean {
    if (this.#services.size === 0) return isOn(this.#all, peer);
    for (const { all, procedures } of this.#services.values()) {
      if (isOn(all, peer)) return true;
      for (const list of procedures.values()) if (isOn(list, peer)) return true;
    }
    return false;
  }
}

function isOn(list: List, peer: LocalPeer | undefined): boolean {
  if (peer === undefined) return false;
  return list === "everyone" || list.has(peer);
}

function listOf(given: GivenList, names: NameLookup): List {
  return given === "everyone" ? given : new LocalUsers(given, names);
}

const noNames: NameLookup = { uidOf: () => 0, gidOf: () => 0 };
const nobody = new LocalUsers({}, noNames);

const parts = ["uids", "gids", "users", "groups"];

/** What a list looks like, names aside: a part that is misspelt would let in fewer, or with `everyone` more, than meant. */
export function checkList(list: GivenList, label: string): void {
  if (list === "everyone") return;
  if (typeof list !== "object" || list === null) {
    throw new TypeError(`${label} is "everyone" or lists of ${parts.join(", ")}, not ${JSON.stringify(list)}`);
  }
  for (const [part, values] of Object.entries(list)) {
    if (!parts.includes(part)) throw new TypeError(`${label} has no ${part}; there are ${parts.join(", ")}`);
    const type = part === "uids" || part === "gids" ? "number" : "string";
    if (values !== undefined && !(Array.isArray(values) && values.every((value) => typeof value === type))) {
      throw new TypeError(`${label}.${part} is a list of ${type}s`);
    }
  }
  try {
    new LocalUsers(list, noNames);
  } catch (error) {
    throw new RangeError(`${label}: ${(error as Error).message}`);
  }
}
