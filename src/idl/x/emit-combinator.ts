import type { Type } from "./module.js";
import type { Names } from "./names.js";

/**
 * A codec as an expression of combinators: what stands in a procedure's signature without a
 * name, and types that hold no other.
 */
export function codecText(type: Type, names: Names): string {
  switch (type.kind) {
    case "void":
      return "xdr.nothing";
    case "scalar":
      return `xdr.${type.scalar}`;
    case "string":
      return `xdr.${type.bytes ? "bytesString" : "string"}(${type.max === 0xffff_ffff ? "" : type.max})`;
    case "opaque":
      return type.fixed
        ? `xdr.opaqueFixed(${type.length})`
        : `xdr.opaque(${type.length === 0xffff_ffff ? "" : type.length})`;
    case "array": {
      const element = codecText(type.element, names);
      if (type.fixed) return `xdr.arrayFixed(${element}, ${type.length})`;
      return `xdr.array(${element}${type.length === 0xffff_ffff ? "" : `, ${type.length}`})`;
    }
    case "optional":
      return `xdr.optional(${codecText(type.of, names)})`;
    case "named":
      return names.codec(type.type);
  }
}
