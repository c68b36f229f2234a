/** Lets calls wait for something that other calls bring about, and end early when nobody wants it any more. */
export class Changes {
  readonly #waiting = new Set<() => void>();

  /** Something has changed: everybody looks again, in the order in which they came. */
  announce(): void {
    for (const look of [...this.#waiting]) look();
  }

  /**
   * @param holds is asked now and at every change; what it takes when it gives true is taken before others look
   * @returns whether it held within `ms` milliseconds
   * @throws the signal's reason
   */
  async until(holds: () => boolean, ms: number, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    if (holds()) return true;
    return await new Promise<boolean>((resolve, reject) => {
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        signal.removeEventListener("abort", onAbort);
        settle();
      };
      const look = (): void => {
        if (holds()) end(() => resolve(true));
      };
      const onAbort = (): void => end(() => reject(signal.reason));
      const timer = setTimeout(() => end(() => resolve(false)), Math.min(ms, timerMax));
      this.#waiting.add(look);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}

/** The wire can ask for 49 days, one of Node's timers for 24. */
const timerMax = 2 ** 31 - 1;
