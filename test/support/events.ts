// What the diagnostics channels tell while a test runs.
//
//   using events = listenTo("farcall:client:call:start", "farcall:client:call:end");
//   events.all                       // [["farcall:client:call:start", {...}], ...]
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { DiagnosticEvents } from "farcall";

type Name = keyof DiagnosticEvents;

export class Events implements Disposable {
  readonly all: (readonly [Name, unknown])[] = [];
  readonly #names: readonly Name[];
  #wake: () => void = () => {};

  constructor(names: readonly Name[]) {
    this.#names = names;
    for (const name of names) subscribe(name, this.#listener);
  }

  readonly #listener = (message: unknown, name: string | symbol): void => {
    this.all.push([name as Name, message]);
    this.#wake();
  };

  /** The names of what was told, in order, without `farcall:`. */
  get names(): readonly string[] {
    return this.all.map(([name]) => name.slice("farcall:".length));
  }

  of<N extends Name>(name: N): readonly DiagnosticEvents[N][] {
    return this.all.filter(([other]) => other === name).map(([, event]) => event as DiagnosticEvents[N]);
  }

  /** Waits until so many were told. */
  async until(name: Name, count = 1): Promise<void> {
    while (this.of(name).length < count) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  [Symbol.dispose](): void {
    for (const name of this.#names) unsubscribe(name, this.#listener);
  }
}

export function listenTo(...names: readonly Name[]): Events {
  return new Events(names);
}
