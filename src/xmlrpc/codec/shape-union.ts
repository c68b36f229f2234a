// Discriminated unions, as structs of the discriminant and of the arm that it selects.

import { describe } from "../../model/describe.js";
import type { FieldShape, Shape, UnionShape } from "../../model/index.js";
import { getProperty, isProperties, type Properties, setProperty } from "../../model/property.js";
import { checkNames, structOf } from "./composite.js";
import { TypeMismatch, within, type XmlRpcType } from "./type.js";
import type { XmlRpcValue } from "./value.js";
import type { XmlRpcWriter } from "./writer.js";

/**
 * On the wire the discriminant is always itself: a number, an enum's member or a boolean. In JavaScript one that only
 * the default arm covers is `"default"`, with the number in `$kind`.
 *
 * @param kind the type of the discriminant
 * @param typeOf gives the type of an arm's field; asked when it is needed, since a union may contain itself
 */
export function unionType(
  shape: UnionShape,
  kind: XmlRpcType<unknown>,
  typeOf: (field: FieldShape) => XmlRpcType<unknown>,
): XmlRpcType<unknown> {
  const { discriminant, arms, otherwise } = shape;
  const arm = (number: number | bigint): FieldShape | null | undefined => {
    const found = arms.find(({ cases }) => cases.includes(number));
    return found === undefined ? otherwise : found.field;
  };
  const isCase = (number: number | bigint): boolean => arms.some(({ cases }) => cases.includes(number));
  // Only integers have a default that is spelled so: an enum's members and the booleans are all known.
  const spelled = unnamed(discriminant.shape).kind === "integer" && otherwise !== undefined;
  return {
    signature: "struct",
    encode(writer: XmlRpcWriter, value) {
      if (!isProperties(value)) writer.fail(`expected an object, got ${describe(value)}`);
      const given = getProperty(value, discriminant.name);
      const kindValue = spelled && given === "default" ? getProperty(value, "$kind") : given;
      writer.beginStruct(value);
      writer.member(discriminant.name);
      kind.encode(writer, kindValue);
      writer.endMember();
      const number = numberOf(kindValue);
      if (spelled && given === "default" && isCase(number)) {
        writer.fail(`${describe(kindValue)} has an arm of its own, so it is not "default"`);
      }
      const field = spelled && given !== "default" && !isCase(number) ? undefined : arm(number);
      if (field === undefined) writer.fail(noCase(shape, kindValue));
      if (field !== null) {
        const part = getProperty(value, field.name);
        const type = typeOf(field);
        if (!(part === null && type.optional === true && writer.settings.nil === "refuse")) {
          writer.member(field.name);
          type.encode(writer, part);
          writer.endMember();
        }
      }
      writer.endStruct();
    },
    decode(value) {
      const given = structOf(value);
      const made: Properties = {};
      const kindValue = read(discriminant.name, given, kind);
      const number = numberOf(kindValue);
      const field = arm(number);
      if (field === undefined) throw within(discriminant.name, new TypeMismatch(noCase(shape, kindValue)));
      if (spelled && !isCase(number)) {
        setProperty(made, discriminant.name, "default");
        setProperty(made, "$kind", kindValue);
      } else setProperty(made, discriminant.name, kindValue);
      const names = new Set([discriminant.name]);
      if (field !== null) {
        names.add(field.name);
        setProperty(made, field.name, read(field.name, given, typeOf(field)));
      }
      checkNames(given, names);
      return made;
    },
  };
}

function read(name: string, given: Properties, type: XmlRpcType<unknown>): unknown {
  try {
    return type.decode(getProperty(given, name) as XmlRpcValue | undefined);
  } catch (error) {
    throw within(name, error);
  }
}

/** A discriminant as the shape's cases have it. */
function numberOf(kind: unknown): number | bigint {
  return typeof kind === "bigint" ? kind : Number(kind);
}

function noCase({ name }: UnionShape, kind: unknown): string {
  return `${describe(kind)} is no case of ${name === undefined ? "the union" : `union ${name}`}`;
}

/** What a named shape stands for. */
export function unnamed(shape: Shape): Shape {
  return shape.kind === "reference" ? unnamed(shape.to()) : shape;
}
