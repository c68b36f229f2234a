/** A value with properties, as a codec sees it. */
export type Properties = Record<string, unknown>;

/** Whether a value may have properties. */
export function isProperties(value: unknown): value is Properties {
  return typeof value === "object" && value !== null;
}

// On an ordinary object, `__proto__` reads and sets the prototype. A member of that name is data like any other.

export function getProperty(from: Properties, name: string): unknown {
  return name !== "__proto__" || Object.hasOwn(from, name) ? from[name] : undefined;
}

export function setProperty(to: Properties, name: string, value: unknown): void {
  if (name !== "__proto__") to[name] = value;
  else Object.defineProperty(to, name, { value, writable: true, enumerable: true, configurable: true });
}
