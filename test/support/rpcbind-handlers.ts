import type { Handlers } from "farcall";
import type { OncService } from "farcall/onc";

/** Handlers of a service of which a test needs a few: the others fail. */
export function handlersOf<C>(service: OncService<C>, some: Partial<Handlers<C>>): Handlers<C> {
  const fail = (): never => {
    throw new Error("not part of this test");
  };
  const all = Object.keys(service.procedures).map((name) => [name, fail]);
  return { ...Object.fromEntries(all), ...some } as Handlers<C>;
}
