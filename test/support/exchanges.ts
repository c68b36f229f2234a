import { listenExchanges } from "../../src/drive/exchange-server.js";
import type {
  Exchange,
  ExchangeHandler,
  ExchangeListener,
  ExchangeRequest,
  ExchangeTransport,
  ResponseHead,
  ServedExchange,
} from "../../src/net/exchange.js";
import { parseExchangeAddress } from "../../src/net/exchange-address.js";
import { type ExchangeLimits, ExchangeLoad } from "../../src/net/exchange-limits.js";
import { HttpTransport } from "../../src/net/http-client.js";
import { ScgiTransport } from "../../src/net/scgi-client.js";
import { httpUse, type TlsClientCredentials, type TlsServerCredentials, tlsLayer } from "../../src/net/tls.js";

/** What an exchange came to. */
export interface Asked {
  /** The names of its events, those of data once. */
  readonly events: readonly string[];
  readonly head: ResponseHead | undefined;
  readonly body: string;
  readonly error: Error | undefined;
  readonly uploaded: readonly number[];
}

export interface AskOptions {
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly progress?: boolean;
  /** Is given the exchange as soon as it runs. */
  readonly started?: (exchange: Exchange) => void;
  /** Is told every event as it comes. */
  readonly onEvent?: (name: string) => void;
}

/** Makes an exchange and waits for its end. */
export function ask(transport: ExchangeTransport, options: AskOptions = {}): Promise<Asked> {
  const { body = "ping" } = options;
  const request: ExchangeRequest = {
    target: options.target ?? "/RPC2",
    headers: { "Content-Type": "text/xml", ...options.headers },
    body: typeof body === "string" ? Buffer.from(body) : body,
    progress: options.progress ?? false,
  };
  return new Promise((resolve) => {
    const events: string[] = [];
    const chunks: Uint8Array[] = [];
    const uploaded: number[] = [];
    let head: ResponseHead | undefined;
    const note = (name: string): void => {
      if (events.at(-1) !== name) events.push(name);
      options.onEvent?.(name);
    };
    const end = (error?: Error): void =>
      resolve({ events, head, body: Buffer.concat(chunks).toString(), error, uploaded });
    const exchange = transport.start(request, {
      onSent: () => note("sent"),
      onUploaded: (bytes) => {
        uploaded.push(bytes);
      },
      onHead: (found) => {
        head = found;
        note("head");
      },
      onData: (chunk) => {
        chunks.push(chunk);
        note("data");
      },
      onEnd: () => {
        note("end");
        end();
      },
      onError: (error) => {
        note("error");
        end(error);
      },
    });
    options.started?.(exchange);
  });
}

/** Answers with what `answer` makes of each request. */
export function handlerOf(answer: (exchange: ServedExchange) => unknown): ExchangeHandler {
  return {
    admit: () => undefined,
    handle(exchange) {
      void (async () => {
        const body = await answer(exchange);
        if (body === undefined) return;
        exchange.respond({ status: 200, headers: { "Content-Type": "text/plain" }, body: String(body) });
      })();
    },
  };
}

export interface Served extends AsyncDisposable {
  readonly address: string;
  readonly listener: ExchangeListener;
  readonly load: ExchangeLoad;
}

/** Serves at an address until disposed of. */
export async function serve(
  address: string,
  handler: ExchangeHandler,
  limits: ExchangeLimits = {},
  tls?: TlsServerCredentials,
): Promise<Served> {
  const parsed = parseExchangeAddress(address);
  const load = new ExchangeLoad(limits);
  const layer = parsed.scheme === "https" ? tlsLayer(tls ?? {}, "", httpUse) : undefined;
  const listener = await listenExchanges(parsed, handler, load, layer);
  return { address: listener.address, listener, load, [Symbol.asyncDispose]: () => listener.close() };
}

/** A way to an address, of the kind that its scheme says. */
export function transportTo(address: string, tls?: TlsClientCredentials): ExchangeTransport {
  const parsed = parseExchangeAddress(address);
  return parsed.scheme.startsWith("scgi") ? new ScgiTransport(parsed) : new HttpTransport(parsed, { tls });
}
