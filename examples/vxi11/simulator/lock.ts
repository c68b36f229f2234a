import { Changes } from "./changes.js";

/** The lock of a device. Whoever holds it keeps all others out. */
export class DeviceLock<Holder extends object> {
  #holder: Holder | undefined;
  readonly #changes = new Changes();

  heldBy(link: Holder): boolean {
    return this.#holder === link;
  }

  /** Takes the lock, in the order of asking. @returns whether that came about within `ms` milliseconds */
  take(link: Holder, ms: number, signal: AbortSignal): Promise<boolean> {
    const free = (): boolean => {
      if (this.#holder !== undefined) return false;
      this.#holder = link;
      return true;
    };
    return this.#changes.until(free, ms, signal);
  }

  /** @returns whether nobody else held the lock within `ms` milliseconds */
  pass(link: Holder, ms: number, signal: AbortSignal): Promise<boolean> {
    return this.#changes.until(() => this.#holder === undefined || this.#holder === link, ms, signal);
  }

  /** @returns whether the link held it */
  release(link: Holder): boolean {
    if (this.#holder !== link) return false;
    this.#holder = undefined;
    this.#changes.announce();
    return true;
  }
}
