/** One after another: each gets its turn when the one before has given it back. */
export class Turns {
  #waiting: (() => void)[] = [];
  #taken = false;

  /**
   * Waits for the turn, at most so many milliseconds.
   *
   * @returns what gives the turn back; it may be called twice
   * @throws Error when it did not come in time
   */
  async take(waitMs: number): Promise<() => void> {
    if (this.#taken) {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => {
          this.#waiting = this.#waiting.filter((other) => other !== mine);
          reject(new Error(`the store did not come free within ${waitMs} ms`));
        }, waitMs);
        const mine = (): void => {
          clearTimeout(timer);
          resolve();
        };
        this.#waiting.push(mine);
      });
    }
    this.#taken = true;
    let mine = true;
    return () => {
      if (!mine) return;
      mine = false;
      const next = this.#waiting.shift();
      // The turn passes straight on, so that nobody who comes now can slip in between.
      if (next === undefined) this.#taken = false;
      else next();
    };
  }
}
