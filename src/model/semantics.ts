/**
 * What a call promises about how often the procedure runs.
 *
 * - `maybe`: sent once, never again; the network may still duplicate it.
 * - `at-least-once`: sent again until answered; for procedures that may safely run twice.
 * - `at-most-once`: never runs twice. Sent again only to a server that filters duplicates.
 * - `exactly-once`: the effect and the reply commit together.
 */
export type Semantics = "maybe" | "at-least-once" | "at-most-once" | "exactly-once";

/**
 * The guarantees that a call may ask for when its procedure declares `Declared`. A call may narrow what the contract
 * says and never widen it: what must not run twice cannot be asked for at least once.
 */
export type Narrowed<Declared extends Semantics> = [Declared] extends ["at-least-once"]
  ? Semantics
  : [Declared] extends ["maybe"]
    ? "maybe" | "at-most-once" | "exactly-once"
    : [Declared] extends ["at-most-once"]
      ? "at-most-once" | "exactly-once"
      : [Declared] extends ["exactly-once"]
        ? "exactly-once"
        : Semantics;

const narrowings: Readonly<Record<Semantics, readonly Semantics[]>> = {
  "at-least-once": ["maybe", "at-least-once", "at-most-once", "exactly-once"],
  maybe: ["maybe", "at-most-once", "exactly-once"],
  "at-most-once": ["at-most-once", "exactly-once"],
  "exactly-once": ["exactly-once"],
};

/** Whether text is one of the four guarantees. */
export function isSemantics(text: unknown): text is Semantics {
  return typeof text === "string" && Object.hasOwn(narrowings, text);
}

/** Whether a call may ask for `asked` when its procedure declares `declared`: {@link Narrowed} at run time. */
export function narrows(declared: Semantics, asked: Semantics): boolean {
  return narrowings[declared].includes(asked);
}
