// The types of contracts that have parts.

import { describe } from "../../model/describe.js";
import { getProperty, isProperties, type Properties, setProperty } from "../../model/property.js";
import { mismatch, TypeMismatch, type ValueOf, within, type XmlRpcType } from "./type.js";
import type { XmlRpcValue } from "./value.js";
import type { XmlRpcWriter } from "./writer.js";

/** Any number of one type. */
export function array<T>(element: XmlRpcType<T>): XmlRpcType<T[]> {
  return {
    signature: "array",
    encode(writer: XmlRpcWriter, value) {
      if (!Array.isArray(value)) writer.fail(`expected an array, got ${describe(value)}`);
      writer.beginArray(value);
      for (let i = 0; i < value.length; i++) {
        writer.element(i);
        element.encode(writer, value[i] as T);
      }
      writer.endArray();
    },
    decode(value) {
      if (!Array.isArray(value)) return mismatch("an array", value);
      const made: T[] = [];
      try {
        for (const one of value) made.push(element.decode(one));
      } catch (error) {
        throw within(made.length, error);
      }
      return made;
    },
  };
}

type OptionalKeys<F> = { [K in keyof F]: F[K] extends { readonly optional: true } ? K : never }[keyof F];

/** The value of a struct, from the types of its members. */
export type StructValue<F> = { [K in Exclude<keyof F, OptionalKeys<F>>]: ValueOf<F[K]> } & {
  [K in OptionalKeys<F>]?: ValueOf<F[K]>;
} extends infer V
  ? { [K in keyof V]: V[K] }
  : never;

/**
 * Members by name. Properties that are not members are not sent.
 *
 * @param options.exact whether a member that is not named here is an error; otherwise it is passed over, since servers
 *   grow
 */
export function struct<F extends Readonly<Record<string, XmlRpcType<unknown>>>>(
  members: F,
  options: { readonly exact?: boolean | undefined } = {},
): XmlRpcType<StructValue<F>> {
  const entries = Object.entries(members);
  const names = new Set(entries.map(([name]) => name));
  const type: XmlRpcType<Properties> = {
    signature: "struct",
    encode(writer: XmlRpcWriter, value) {
      if (!isProperties(value)) writer.fail(`expected an object, got ${describe(value)}`);
      writer.beginStruct(value);
      for (const [name, member] of entries) {
        const part = getProperty(value, name);
        if (part === undefined && member.optional === true) continue;
        writer.member(name);
        member.encode(writer, part);
        writer.endMember();
      }
      writer.endStruct();
    },
    decode(value) {
      const given = structOf(value);
      const made: Properties = {};
      for (const [name, member] of entries) {
        const part = getProperty(given, name) as XmlRpcValue | undefined;
        if (part === undefined && member.optional === true) continue;
        try {
          setProperty(made, name, member.decode(part));
        } catch (error) {
          throw within(name, error);
        }
      }
      if (options.exact === true) checkNames(given, names);
      return made;
    },
  };
  return type as XmlRpcType<unknown> as XmlRpcType<StructValue<F>>;
}

/** A struct whose members have any names and one type. */
export function record<T>(member: XmlRpcType<T>): XmlRpcType<Record<string, T>> {
  return {
    signature: "struct",
    encode(writer: XmlRpcWriter, value) {
      if (!isProperties(value)) writer.fail(`expected an object, got ${describe(value)}`);
      writer.beginStruct(value);
      for (const name of Object.keys(value)) {
        writer.member(name);
        member.encode(writer, value[name] as T);
        writer.endMember();
      }
      writer.endStruct();
    },
    decode(value) {
      const made: Record<string, T> = {};
      for (const [name, part] of Object.entries(structOf(value))) {
        try {
          setProperty(made, name, member.decode(part as XmlRpcValue));
        } catch (error) {
          throw within(name, error);
        }
      }
      return made;
    },
  };
}

/** A member, or a parameter at the end, that may be left out: `undefined`. */
export function optional<T>(of: XmlRpcType<T>): XmlRpcType<T | undefined> & { readonly optional: true } {
  return {
    signature: of.signature,
    optional: true,
    encode(writer: XmlRpcWriter, value) {
      if (value === undefined)
        writer.fail("a value may be left out only as a member, or as one of the last parameters");
      of.encode(writer, value as T);
    },
    decode: (value) => (value === undefined ? undefined : of.decode(value)),
  };
}

/**
 * The parameters from here on, as one array: any number of one type. Only the last parameter can be it.
 *
 * ```ts
 * method("sum", { params: [rest(int)], result: int });           // client.sum([1, 2, 3])
 * ```
 */
export function rest<T>(of: XmlRpcType<T>): XmlRpcType<T[]> & { readonly rest: XmlRpcType<unknown> } {
  return { ...array(of), rest: of as XmlRpcType<unknown> };
}

/** A value or `null`, which goes as nil: for peers that take it. */
export function nullable<T>(of: XmlRpcType<T>): XmlRpcType<T | null> {
  return {
    signature: of.signature,
    encode(writer: XmlRpcWriter, value) {
      if (value === null) writer.nil();
      else of.encode(writer, value);
    },
    decode: (value) => (value === null ? null : of.decode(value)),
  };
}

/** A type that contains itself: `of` is asked for it once it is defined. */
export function recursive<T>(of: () => XmlRpcType<T>, signature = "struct"): XmlRpcType<T> {
  return {
    signature,
    encode: (writer, value) => of().encode(writer, value),
    decode: (value) => of().decode(value),
  };
}

/** What was decoded as a struct: no other value has JavaScript's plain prototype. */
export function structOf(value: XmlRpcValue | undefined): Properties {
  if (isProperties(value) && Object.getPrototypeOf(value) === Object.prototype) return value;
  return mismatch("a struct", value);
}

export function checkNames(given: Properties, names: ReadonlySet<string>): void {
  for (const name of Object.keys(given)) {
    if (names.has(name)) continue;
    const error = new TypeMismatch("there is no member of this name here");
    throw within(name, error);
  }
}
