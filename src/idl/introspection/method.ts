import { camelCase, reservedTop } from "../x/names.js";

// What a server says of its methods, as what a contract says of them.

/** A method as its server describes it. */
export interface DescribedMethod {
  /** On the wire, such as `supervisor.startProcess`. */
  readonly name: string;
  /** Of each way to call it the result's type, then the parameters'; undefined where the server does not say. */
  readonly signatures: readonly (readonly string[])[] | undefined;
  /** A text about it; empty where there is none. */
  readonly help: string;
}

/** A type of `farcall/xmlrpc`, with what its values are in TypeScript. */
export interface TypeText {
  readonly codec: string;
  readonly type: string;
}

/** A method of the contract. */
export interface ContractMethod {
  readonly name: string;
  /** In TypeScript. */
  readonly key: string;
  readonly params: readonly (TypeText & { readonly label: string; readonly optional: boolean })[];
  readonly result: TypeText;
  readonly help: string;
  /** Several ways to call it that are one here, or types that nobody knows: as the server tells them. */
  readonly told: readonly string[];
}

const any: TypeText = { codec: "any", type: "XmlRpcValue" };
const nothing: TypeText = { codec: "nothing", type: "void" };
const int: TypeText = { codec: "int", type: "number" };
const i8: TypeText = { codec: "i8", type: "bigint" };
const array: TypeText = { codec: "array(any)", type: "XmlRpcValue[]" };
const struct: TypeText = { codec: "record(any)", type: "Record<string, XmlRpcValue>" };
const dateTime: TypeText = { codec: "dateTime", type: "Date" };

/** The words of signatures. Those behind the specification's are what servers in Python and PHP say of their own types. */
const types: ReadonlyMap<string, TypeText> = new Map<string, TypeText>([
  ["int", int],
  ["i4", int],
  ["i8", i8],
  ["ex:i8", i8],
  ["boolean", { codec: "boolean", type: "boolean" }],
  ["double", { codec: "double", type: "number" }],
  ["string", { codec: "string", type: "string" }],
  ["datetime.iso8601", dateTime],
  ["base64", { codec: "base64", type: "Uint8Array" }],
  ["array", array],
  ["struct", struct],
  ["integer", int],
  ["bool", { codec: "boolean", type: "boolean" }],
  ["float", { codec: "double", type: "number" }],
  ["datetime", dateTime],
  ["list", array],
  ["dict", struct],
]);

const voids: ReadonlySet<string> = new Set(["nil", "void", "none", "null", "ex:nil"]);

/** What clients ask by themselves, and a contract does not need. */
const introspection: ReadonlySet<string> = new Set(
  ["listMethods", "methodSignature", "methodHelp", "methodExist", "multicall", "getCapabilities"].map(
    (name) => `system.${name}`,
  ),
);

/** What a client cannot have as a method, or has already. */
const reserved: readonly string[] = ["then", "constructor", "__proto__", "prototype", "toString", "valueOf", "toJSON"];

/** Any number of whatever. */
const anyNumber: ContractMethod["params"] = [
  { codec: "rest(any)", type: "XmlRpcValue[]", label: "params", optional: false },
];

/** Most parameters that are told apart: some fifty are more than TypeScript can follow. */
const paramsMax = 32;

/** Most characters of a signature that are shown. */
const signatureMax = 200;

/** The methods of a contract, in the order of their names, each by a name that TypeScript can say. */
export function contractMethods(described: readonly DescribedMethod[]): ContractMethod[] {
  const methods = described
    .filter(({ name }) => name !== "" && !introspection.has(name))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    .filter(({ name }, i, all) => name !== all[i - 1]?.name);
  const prefix = commonPrefix(methods.map(({ name }) => name));
  const taken = new Set(reserved);
  return methods.map((method) => {
    let key = keyOf(prefix === "" ? method.name : method.name.slice(prefix.length + 1));
    while (taken.has(key)) key += "_";
    taken.add(key);
    return contractMethod(method, key);
  });
}

/** Such as `supervisor` of `supervisor.getState` and `supervisor.startProcess`; empty for none. */
export function commonPrefix(names: readonly string[]): string {
  const [first = ""] = names;
  const prefix = first.slice(0, Math.max(0, first.lastIndexOf(".")));
  for (let at = prefix; at !== ""; at = at.slice(0, Math.max(0, at.lastIndexOf(".")))) {
    if (names.every((name) => name.startsWith(`${at}.`) && name.length > at.length + 1)) return at;
  }
  return "";
}

/** `d.size_bytes` is `dSizeBytes`, `get-user` is `getUser`; what is left of `1=` is `_1`. */
export function keyOf(name: string): string {
  const joined = camelCase(name.replace(/[^\p{ID_Continue}]+/gu, "_"));
  return /^[\p{ID_Start}_]/u.test(joined) ? joined : `_${joined}`;
}

function contractMethod({ name, signatures, help }: DescribedMethod, key: string): ContractMethod {
  if (signatures === undefined || signatures.some(([result]) => result === "undef")) {
    return { name, key, params: anyNumber, result: any, help, told: [] };
  }
  const results = signatures.map(([result = ""]) => resultOf(result));
  const ways = signatures.map(([, ...params]) => (params.length === 1 && isVoid(params[0]) ? [] : params));
  const unknown = signatures.some(([result = "", ...rest], i) => {
    const way = ways[i] ?? [];
    return (
      (resultOf(result) === any && result !== "any") ||
      (way.length > 0 && rest.some((type) => !types.has(type.toLowerCase())))
    );
  });
  const told = signatures.length > 1 || unknown ? signatures.map((types) => signatureText(name, types)) : [];
  const most = Math.max(...ways.map((way) => way.length));
  if (most > paramsMax) return { name, key, params: anyNumber, result: same(results), help, told };
  const least = Math.min(...ways.map((way) => way.length));
  const labels = labelsOf(help, most);
  const params = Array.from({ length: most }, (_, i) => {
    const text = same(
      ways.filter((way) => i < way.length).map((way) => types.get((way[i] ?? "").toLowerCase()) ?? any),
    );
    return { ...text, label: labels[i] ?? `arg${i + 1}`, optional: i >= least };
  });
  return { name, key, params, result: same(results), help, told };
}

/** How a method is called, such as `test.add(int, int) -> int`. */
export function signatureText(name: string, [result = "", ...params]: readonly string[]): string {
  const text = `${name}(${params.join(", ")}) -> ${result}`;
  return text.length > signatureMax ? `${text.slice(0, signatureMax)}...` : text;
}

function resultOf(word: string): TypeText {
  return isVoid(word) ? nothing : (types.get(word.toLowerCase()) ?? any);
}

function isVoid(word: string | undefined): boolean {
  return word === "" || voids.has((word ?? "").toLowerCase());
}

/** The one type that all are, or any. */
function same(texts: readonly TypeText[]): TypeText {
  const [first = any] = texts;
  return texts.every((text) => text === first || text.codec === first.codec) ? first : any;
}

/** The names of parameters, where the help has a `@param TYPE NAME` for each. */
function labelsOf(help: string, count: number): string[] {
  const named = [...help.matchAll(/^[ \t*]*@param\s+\S+\s+\$?([A-Za-z_]\w*)/gm)].map(([, word = ""]) => {
    const label = camelCase(word);
    return reservedTop.has(label) ? `${label}_` : label;
  });
  return named.length === count && new Set(named).size === count && named.every((name) => name !== "") ? named : [];
}
