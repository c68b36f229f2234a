/**
 * The part of `AbortSignal` that a call listens to. Declared here because the contracts compile without DOM and
 * without Node; every `AbortSignal` is one.
 */
export interface Signal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** The runtime's own `AbortSignal` where its types are loaded, so that a handler can pass `context.signal` to `fetch`. */
export type ContextSignal = typeof globalThis extends { AbortSignal: { prototype: infer T } } ? T : Signal;
