import { type Lifetime, ObjectProvider } from "../call/lifetime.js";
import type { CallContext } from "../model/index.js";
import { isPromise } from "../model/promise.js";
import type { XmlRpcProcedure } from "./codec/procedure.js";
import type { ServedMethod } from "./engine/index.js";
import type { XmlRpcService } from "./service.js";

// What is exported, as the methods that a server has.

/**
 * The methods of a service.
 *
 * @param make gives the object, once or for every call
 * @param tell is told what the disposal of an object threw
 * @throws TypeError for a lifetime that XML-RPC cannot give, and for a missing handler
 */
export function serviceMethods<C>(
  service: XmlRpcService<C>,
  lifetime: Lifetime,
  make: () => object,
  tell: (error: unknown) => void,
): ServedMethod[] {
  if (lifetime === "per-session") {
    throw new TypeError(`${service.name}: XML-RPC has no sessions, so per-session objects cannot be served`);
  }
  const procedures = Object.entries(service.procedures) as [string, XmlRpcProcedure][];
  if (lifetime === "persistent") {
    const object = make() as Record<string, unknown>;
    const missing = procedures.filter(([key, { isNull }]) => isNull !== true && typeof object[key] !== "function");
    if (missing.length > 0) {
      throw new TypeError(`${service.name}: no handler for ${missing.map(([key]) => key).join(", ")}`);
    }
  }
  const provider = new ObjectProvider(lifetime, make, tell);
  return procedures.map(([key, procedure]) => ({
    name: procedure.name,
    label: `${service.name}.${key}`,
    key,
    procedure,
    service,
    semantics: procedure.semantics ?? "at-most-once",
    invoke: (args, call) => invoke(provider, key, procedure, args, call),
  }));
}

/** A method without a contract. */
export function looseMethod(name: string, handler: (...params: never[]) => unknown): ServedMethod {
  return {
    name,
    label: name,
    key: name,
    procedure: undefined,
    semantics: "at-most-once",
    invoke: (args) => handler(...(args as never[])),
  };
}

/**
 * The methods of an object, as `NAME.METHOD`, or of a function, as `NAME`.
 *
 * @throws TypeError for an object without methods
 */
export function handlerMethods(name: string, handler: object): ServedMethod[] {
  if (typeof handler === "function") return [looseMethod(name, handler as (...params: never[]) => unknown)];
  const methods = namesOfMethods(handler);
  if (methods.length === 0) throw new TypeError(`the handler ${name} has no methods`);
  return methods.map((method) =>
    looseMethod(name === "$default" ? method : `${name}.${method}`, (...params) =>
      (handler as Record<string, (...params: never[]) => unknown>)[method]?.(...params),
    ),
  );
}

/** Calls the handler; one of procedure 0 need not be there. */
function invoke(
  provider: ObjectProvider,
  key: string,
  procedure: XmlRpcProcedure,
  args: readonly unknown[],
  call: CallContext,
): unknown {
  const object = provider.acquire(undefined) as Record<string, unknown>;
  const handler = object[key];
  let value: unknown;
  try {
    if (typeof handler === "function") value = handler.call(object, ...args, call);
    else if (procedure.isNull !== true) throw new TypeError(`the exported object has no handler ${key}`);
  } catch (error) {
    provider.release(object);
    throw error;
  }
  if (!isPromise(value)) {
    provider.release(object);
    return value;
  }
  return Promise.resolve(value).finally(() => provider.release(object));
}

/** The names of an object's functions, up to what every object has. Getters are not asked. */
function namesOfMethods(object: object): string[] {
  const names = new Set<string>();
  for (let at: object = object; at !== Object.prototype && at !== null; at = Object.getPrototypeOf(at) as object) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value === "function" && name !== "constructor" && !/^[_$]/.test(name)) names.add(name);
    }
  }
  return [...names];
}
