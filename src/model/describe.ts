/** Names a wrong value in a message: short whatever the value, and without running code of the value's own. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case "string":
      return value.length > 40 ? `a string of ${value.length} characters` : JSON.stringify(value);
    case "bigint":
      // The digits of a huge one would take long and say nothing.
      return value === BigInt.asIntN(160, value) ? `${value}n` : "a bigint of more than 160 bits";
    case "object":
      if (value === null) return "null";
      if (Array.isArray(value)) return `an array of ${value.length}`;
      return value instanceof Uint8Array ? `a Uint8Array of ${value.length} bytes` : "an object";
    case "number":
      return Object.is(value, -0) ? "-0" : String(value);
    case "function":
      return "a function";
    case "symbol":
      return "a symbol";
    default:
      return String(value);
  }
}
