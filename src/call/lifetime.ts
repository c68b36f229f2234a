/**
 * How long an exported object lives.
 *
 * - `persistent`: one object for all callers, made by the user.
 * - `per-session`: one for each session; for callers without one, for each connection.
 * - `per-call`: one for each call.
 */
export type Lifetime = "persistent" | "per-session" | "per-call";

/** What objects of one session hang on. */
export interface SessionObjects {
  readonly objects: Map<object, object>;
}

/** Hands out the object that serves a call, and ends it when its life is over. */
export class ObjectProvider {
  readonly lifetime: Lifetime;
  readonly #make: () => object;
  readonly #onError: (error: unknown) => void;

  /**
   * @param make gives the persistent object, or makes a new one
   * @param onError is told what a disposal threw
   */
  constructor(lifetime: Lifetime, make: () => object, onError: (error: unknown) => void) {
    this.lifetime = lifetime;
    this.#make = make;
    this.#onError = onError;
  }

  /** The object for a call of this session. Throws what the factory throws. */
  acquire(session: SessionObjects | undefined): object {
    if (this.lifetime !== "per-session" || session === undefined) return this.#make();
    let object = session.objects.get(this);
    if (object === undefined) {
      object = this.#make();
      session.objects.set(this, object);
    }
    return object;
  }

  /** The call is over. */
  release(object: object): void {
    if (this.lifetime === "per-call") this.dispose(object);
  }

  dispose(object: object): void {
    try {
      const { [Symbol.dispose]: dispose, [Symbol.asyncDispose]: asyncDispose } = object as Partial<
        Disposable & AsyncDisposable
      >;
      if (dispose !== undefined) dispose.call(object);
      else void asyncDispose?.call(object).then(undefined, this.#onError);
    } catch (error) {
      this.#onError(error);
    }
  }
}

/** Ends every object of a session that is over. */
export function endSession(session: SessionObjects): void {
  for (const [provider, object] of session.objects) (provider as ObjectProvider).dispose(object);
  session.objects.clear();
}
