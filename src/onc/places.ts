import { type Place, type Resolver, RpcError } from "../model/index.js";
import { type CompleteAddress, isDatagram, parseAddress } from "../net/index.js";

/** How long an instance that could not be reached, or fell silent, is asked after all others, in milliseconds. */
const shunnedMs = 10_000;

/** Most instances that one attempt to connect tries: all that answer quickly that nobody is there, and some that do not. */
const candidatesMax = 16;

/** An instance that a client may connect to. */
export interface Candidate {
  /** As it was registered. */
  readonly text: string;
  readonly address: CompleteAddress;
}

export interface PlacesOptions {
  /** As a user writes it, such as `name:calc`. */
  readonly text: string;
  readonly name: string;
  readonly version: number;
  readonly resolver: Resolver | undefined;
  readonly timeoutMs: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** A number from 0 to below 1. */
  readonly random: () => number;
  /** The instance that is asked first, as if it had been reached before. */
  readonly preferred?: string | undefined;
}

/**
 * The instances that serve a name, as one client sees them: whom it reached last, and who did not answer. The binder is
 * asked anew each time, so it gives what was known last when it is away.
 */
export class Places {
  readonly #options: PlacesOptions;
  readonly #shunned = new Map<string, number>();
  #last: string | undefined;

  constructor(options: PlacesOptions) {
    this.#options = options;
    this.#last = options.preferred;
  }

  /**
   * What is registered under the name now.
   *
   * @throws RpcError `not-found`, `unavailable`, or `invalid-argument` where names are not known
   */
  async all(): Promise<readonly Place[]> {
    const { resolver, name, version, timeoutMs, text } = this.#options;
    if (resolver?.find === undefined) {
      throw new RpcError("invalid-argument", `${text}: the resolver knows no names; connect of "farcall" gives one`, {
        executed: "no",
      });
    }
    return await resolver.find({ name, version, timeoutMs });
  }

  /** Whom to connect to, in the order in which to try. At least one. */
  async candidates(datagrams: boolean): Promise<readonly Candidate[]> {
    const places = await this.all();
    const candidates = this.#inOrder(places).flatMap(({ address }) => {
      const parsed = usable(address);
      return parsed !== undefined && isDatagram(parsed) === datagrams ? [{ text: address, address: parsed }] : [];
    });
    if (candidates.length > 0) return candidates.slice(0, candidatesMax);
    const what = datagrams ? "datagrams" : "streams";
    const found = places.map(({ address }) => address).join(", ");
    throw new RpcError("not-found", `${this.#options.text} is not served over ${what}, only at ${found}`, {
      executed: "no",
    });
  }

  /** The instance that was reached last. */
  get last(): string | undefined {
    return this.#last;
  }

  reached(text: string): void {
    this.#last = text;
    this.#shunned.delete(text);
  }

  failed(text: string): void {
    this.#shunned.set(text, this.#options.now() + shunnedMs);
    // What is not registered any more need not be remembered either.
    if (this.#shunned.size > 4 * candidatesMax) this.#shunned.delete(this.#shunned.keys().next().value as string);
  }

  /** The instance that was reached last owes answers and keeps silent. */
  silent(): void {
    if (this.#last !== undefined) this.failed(this.#last);
  }

  /** The one that was reached last, since state may hang on it; then by priority, and among equals by chance and weight. */
  #inOrder(places: readonly Place[]): Place[] {
    const now = this.#options.now();
    const rank = ({ address }: Place): number => {
      if ((this.#shunned.get(address) ?? 0) > now) return 2;
      return address === this.#last ? 0 : 1;
    };
    return byWeight(places, this.#options.random).sort((a, b) => rank(a) - rank(b) || a.priority - b.priority);
  }
}

/**
 * By chance, where twice the weight is twice as likely to come first: RFC 2782. Weight 0 comes after all others, but for a
 * small chance.
 */
function byWeight(places: readonly Place[], random: () => number): Place[] {
  // The first of exponentially distributed times, each with its weight as its rate.
  const time = ({ weight }: Place): number => -Math.log(1 - random()) / Math.max(weight, 0.001);
  return places
    .map((place) => ({ place, at: time(place) }))
    .sort((a, b) => a.at - b.at)
    .map(({ place }) => place);
}

/** An address of ONC RPC with its port; undefined for any other, which is for somebody else. */
export function usable(text: string): CompleteAddress | undefined {
  try {
    const address = parseAddress(text);
    return "port" in address && address.port === undefined ? undefined : (address as CompleteAddress);
  } catch {
    return undefined;
  }
}
