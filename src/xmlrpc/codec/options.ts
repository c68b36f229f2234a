import { RpcError } from "../../model/index.js";
import { limitDefaults, type XmlRpcLimits } from "./limits.js";

/** How a document is read: to the letter of the specification of 1998, or as peers write in practice. */
export type Profile = "strict" | "compat";

/** Servers that want something of their own. */
export type Preset = "odoo" | "rtorrent" | "homematic" | "ros1" | "supervisord";

/** What documents are written in. All of these are read as well. */
export type TextEncoding = "utf-8" | "utf-16" | "us-ascii" | "iso-8859-1" | "windows-1252";

/**
 * What a `dateTime.iso8601` without a zone means.
 *
 * | | written from a `Date` | read |
 * |---|---|---|
 * | `utc` | in UTC, without a zone | as UTC, into a `Date` |
 * | `utc-z` | in UTC, with a `Z` | as UTC, into a `Date` |
 * | `local` | in the zone of this process | as a time of that zone, into a `Date` |
 * | `naive` | refused: a `Date` is an instant, and this peer's times are not | into a `NaiveDateTime` |
 * | `text` | refused | into a string, as it came |
 *
 * A time with a zone is an instant and becomes a `Date`, except under `text`. A `NaiveDateTime` is always written as
 * it is.
 */
export type Dates = "utc" | "utc-z" | "local" | "naive" | "text";

/** How values are written and read. All are optional; a preset changes the defaults. */
export interface XmlRpcOptions extends Partial<XmlRpcLimits> {
  /** How strictly documents are read; default `compat`. */
  readonly profile?: Profile | undefined;
  /** Other defaults, for a kind of server. */
  readonly preset?: Preset | undefined;
  /** What documents are written in; default `utf-8`. Reading goes by what the document says. */
  readonly encoding?: TextEncoding | undefined;
  /** Whether characters may be written as `&#233;`; default true. Some servers know only the five named entities. */
  readonly characterReferences?: boolean | undefined;
  /** How `null` is written; default `refuse`, because the specification has no word for it. */
  readonly nil?: "refuse" | "nil" | "ex:nil" | undefined;
  /** What a whole `number` goes as; default `int`. With `i8` it may have 53 bits, otherwise 32. */
  readonly integers?: "int" | "i4" | "i8" | undefined;
  /** What a `bigint` goes as; default `i8`. */
  readonly bigints?: "refuse" | "i8" | "ex:i8" | undefined;
  /** What an `i8` becomes: a `bigint`, or a `number` where that is exact. Default: `bigint` in `strict`, else `number`. */
  readonly i8?: "bigint" | "number" | undefined;
  /** Whether NaN and the infinities are written and read; default false. */
  readonly nonFinite?: boolean | undefined;
  /** What a time without a zone means; default `utc`. */
  readonly dates?: Dates | undefined;
  /** What becomes of parts of a second when a time is written; default `refuse`: the specification has none. */
  readonly fractions?: "refuse" | "write" | "drop" | undefined;
  /** Whether types beyond the specification of 1998 are read: `i8`, `nil`, `ex:...`. Default: in `compat`. */
  readonly extensions?: boolean | undefined;
}

/** The options with every default filled in. They are options too, which need not be looked at again. */
export interface Settings extends XmlRpcLimits {
  readonly profile: Profile;
  readonly strict: boolean;
  readonly preset?: Preset | undefined;
  readonly encoding: TextEncoding;
  readonly characterReferences: boolean;
  readonly nil: "refuse" | "nil" | "ex:nil";
  readonly integers: "int" | "i4" | "i8";
  readonly bigints: "refuse" | "i8" | "ex:i8";
  readonly i8: "bigint" | "number";
  readonly nonFinite: boolean;
  readonly dates: Dates;
  readonly fractions: "refuse" | "write" | "drop";
  readonly extensions: boolean;
}

const presets: Readonly<Record<Preset, XmlRpcOptions>> = {
  // Python's xmlrpc on both ends: it reads nil, and its times are UTC without saying so.
  odoo: { nil: "nil", dates: "utc" },
  // xmlrpc-c with i8 for every number.
  rtorrent: { integers: "i8", i8: "number" },
  // XmlRpc++ 0.8: ISO-8859-1 whatever the declaration says, and only the five named entities.
  homematic: { encoding: "iso-8859-1", characterReferences: false, bigints: "refuse", integers: "i4", dates: "naive" },
  // XmlRpc++ in roscpp, Python in rospy and the master.
  ros1: { bigints: "refuse", integers: "i4" },
  // Python's xmlrpc with a parser of its own.
  supervisord: { bigints: "refuse" },
};

/**
 * Fills in the defaults.
 *
 * @throws RpcError `invalid-argument` for a value that an option does not take
 */
export function settingsOf(options: XmlRpcOptions): Settings {
  if (known.has(options)) return options as XmlRpcOptions & Settings;
  const preset = options.preset === undefined ? {} : presets[choice(options, "preset", presetNames, "odoo")];
  const given: XmlRpcOptions = { ...preset, ...defined(options) };
  const profile = choice(given, "profile", ["strict", "compat"], "compat");
  const strict = profile === "strict";
  const settings: Settings = {
    profile,
    strict,
    preset: options.preset,
    encoding: choice(given, "encoding", ["utf-8", "utf-16", "us-ascii", "iso-8859-1", "windows-1252"], "utf-8"),
    characterReferences: flag(given, "characterReferences", true),
    nil: choice(given, "nil", ["refuse", "nil", "ex:nil"], "refuse"),
    integers: choice(given, "integers", ["int", "i4", "i8"], "int"),
    bigints: choice(given, "bigints", ["refuse", "i8", "ex:i8"], "i8"),
    i8: choice(given, "i8", ["bigint", "number"], strict ? "bigint" : "number"),
    nonFinite: flag(given, "nonFinite", false),
    dates: choice(given, "dates", ["utc", "utc-z", "local", "naive", "text"], "utc"),
    fractions: choice(given, "fractions", ["refuse", "write", "drop"], "refuse"),
    extensions: flag(given, "extensions", !strict),
    documentSizeMax: limit(given, "documentSizeMax"),
    depthMax: limit(given, "depthMax"),
    valuesMax: limit(given, "valuesMax"),
    stringLengthMax: limit(given, "stringLengthMax"),
    nameLengthMax: limit(given, "nameLengthMax"),
    multicallMax: limit(given, "multicallMax"),
  };
  known.add(settings);
  return settings;
}

/** Settings for a document whose `charset` was said outside of it, by HTTP's Content-Type. */
export function withCharset(settings: Settings, charset: string | undefined): Settings {
  if (charset === undefined) return settings;
  const label = charset.toLowerCase();
  let ofSettings = labelled.get(settings);
  if (ofSettings === undefined) {
    ofSettings = new Map();
    labelled.set(settings, ofSettings);
  }
  let made = ofSettings.get(label);
  if (made === undefined) {
    made = { ...settings, charset: label } as Settings;
    known.add(made);
    // Peers choose what they say, and a few labels are all there is.
    if (ofSettings.size < 16) ofSettings.set(label, made);
  }
  return made;
}

const labelled = new WeakMap<Settings, Map<string, Settings>>();

/** What {@link settingsOf} has made. */
const known = new WeakSet<object>();

const presetNames = Object.keys(presets) as Preset[];

/** Without what is `undefined`: that means the default, of a preset too. */
function defined(options: XmlRpcOptions): XmlRpcOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function choice<K extends keyof XmlRpcOptions, T extends XmlRpcOptions[K] & string>(
  options: XmlRpcOptions,
  name: K,
  choices: readonly T[],
  preset: T,
): T {
  const value = options[name];
  if (value === undefined) return preset;
  if (choices.includes(value as T)) return value as T;
  throw invalid(`${name} must be ${choices.map((choice) => `"${choice}"`).join(" or ")}, not ${show(value)}`);
}

function flag(options: XmlRpcOptions, name: keyof XmlRpcOptions, preset: boolean): boolean {
  const value = options[name] ?? preset;
  if (typeof value === "boolean") return value;
  throw invalid(`${name} must be true or false, not ${show(value)}`);
}

function limit(options: XmlRpcOptions, name: keyof XmlRpcLimits): number {
  const value = options[name] ?? limitDefaults[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(`${name} must be a whole number, not ${show(value)}`);
}

function show(value: unknown): string {
  return typeof value === "string" ? `"${value}"` : String(value);
}

function invalid(message: string): RpcError {
  return new RpcError("invalid-argument", message, { executed: "no" });
}
