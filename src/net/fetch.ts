import type { Exchange, ExchangeEvents, ExchangeRequest, ExchangeTransport, ResponseHead } from "./exchange.js";
import { type ExchangeAddress, formatExchangeAddress } from "./exchange-address.js";

export interface FetchTransportOptions {
  /** Whether cookies of the server's origin go along, also to another origin than the page's; default: not there. */
  readonly cookies?: boolean | undefined;
  /** What makes requests; default the runtime's `fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/**
 * HTTP by `fetch`, for browsers and other runtimes. It does not tell a refused connection from a lost answer, nor one that
 * a page may not read: so `onSent` comes at once, and whatever fails may have run.
 */
export class FetchTransport implements ExchangeTransport {
  readonly peer: string;
  readonly connects = 0;
  readonly #credentials: "include" | "same-origin";
  readonly #fetch: typeof globalThis.fetch;

  constructor(address: ExchangeAddress, options: FetchTransportOptions = {}) {
    this.peer = formatExchangeAddress(address, "");
    this.#credentials = options.cookies === true ? "include" : "same-origin";
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  async open(): Promise<void> {
    // There is no connection to be had without asking for something.
  }

  start(request: ExchangeRequest, events: ExchangeEvents): Exchange {
    const aborter = new AbortController();
    const life = { over: false };
    events.onSent();
    void this.#run(request, events, aborter.signal, life);
    return {
      abort() {
        if (life.over) return;
        life.over = true;
        aborter.abort();
      },
    };
  }

  async #run(
    { target, headers, body }: ExchangeRequest,
    events: ExchangeEvents,
    signal: AbortSignal,
    life: { over: boolean },
  ): Promise<void> {
    try {
      const init = {
        method: "POST",
        headers,
        body: body as Uint8Array<ArrayBuffer>,
        signal,
        credentials: this.#credentials,
        cache: "no-store",
        // Where to go from here is for the protocol to say; a browser hides it, and the protocol says so.
        redirect: "manual",
      } as const;
      const response = await this.#fetch(`${this.peer}${target}`, init);
      if (life.over) return;
      events.onHead(headOf(response));
      const reader = response.body?.getReader();
      while (reader !== undefined && !life.over) {
        const { done, value } = await reader.read();
        if (done || life.over) break;
        events.onData(value);
      }
      if (life.over) return;
      life.over = true;
      events.onEnd();
    } catch (error) {
      if (life.over) return;
      life.over = true;
      events.onError(error instanceof Error ? error : new Error(String(error)));
    }
  }

  close(): void {}
}

function headOf(response: Response): ResponseHead {
  const setCookie = response.headers.getSetCookie?.() ?? [];
  return {
    status: response.status,
    statusText: response.type === "opaqueredirect" ? "a redirect that the browser hides" : response.statusText,
    headers: Object.fromEntries(response.headers),
    setCookie,
  };
}
