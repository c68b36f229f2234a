import type { Executed } from "../model/index.js";

/**
 * What is known about one call over all its transmissions: `yes` if any transmission proves that the procedure ran,
 * `no` only if every one proves that it did not, otherwise `unknown`.
 */
export class Evidence {
  /** How often the call was handed to the transport. */
  transmissions = 0;
  /** Transmissions that provably did not lead to an execution. */
  #disproved = 0;
  #proved = false;

  /** Takes one answer, or one end of a transmission, into account. */
  add(executed: Executed): void {
    if (executed === "yes") this.#proved = true;
    else if (executed === "no") this.#disproved++;
  }

  /** Whatever was sent has not led to an execution, and will not. */
  disprove(): void {
    this.#disproved = this.transmissions;
  }

  get executed(): Executed {
    if (this.#proved) return "yes";
    return this.#disproved >= this.transmissions ? "no" : "unknown";
  }
}
