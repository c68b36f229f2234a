import type { ExchangeHandler, ExchangeResponse, ServedExchange } from "./exchange.js";
import type { ArrivingBody, ExchangeLoad } from "./exchange-limits.js";

/** What a server in the shape of `fetch` may know of whoever asks, and does not put into the request. */
export interface FetchPeer {
  /** Such as `tcp://127.0.0.1:40312`. */
  readonly address: string;
}

/** Serves one request that came as an object of `fetch`. */
export async function serveFetch(
  request: Request,
  handler: ExchangeHandler,
  load: ExchangeLoad,
  peer: FetchPeer | undefined,
): Promise<Response> {
  const url = new URL(request.url);
  const headers = request.headers;
  const head = {
    method: request.method,
    target: `${url.pathname}${url.search}`,
    header: (name: string) => headers.get(name) ?? undefined,
    peer: peer?.address ?? "fetch:",
    tls: undefined,
    connection: request,
  };
  const refusal = handler.admit(head);
  if (refusal !== undefined) return responseOf(refusal);
  const body = await bodyOf(request, load);
  if (!(body instanceof Uint8Array)) return responseOf(body);
  return await new Promise((resolve) => {
    const exchange: ServedExchange = {
      ...head,
      body,
      onGone: undefined,
      respond: (response) => resolve(responseOf(response)),
    };
    request.signal.addEventListener("abort", () => exchange.onGone?.(), { once: true });
    handler.handle(exchange);
  });
}

/** The body within bounds and with its content encoding undone, or why it is refused. */
async function bodyOf(request: Request, load: ExchangeLoad): Promise<Uint8Array | ExchangeResponse> {
  const { bodySizeMax } = load.limits;
  if (request.body === null) return new Uint8Array();
  const encoding = request.headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (encoding !== "identity" && encoding !== "gzip" && encoding !== "deflate") {
    return refusal(415, `the content encoding ${encoding} is not known here; gzip and deflate are`);
  }
  const stream: ReadableStream<Uint8Array> =
    encoding === "identity" ? request.body : request.body.pipeThrough(new DecompressionStream(encoding));
  const pieces: Uint8Array[] = [];
  let cut = false;
  const arriving: ArrivingBody = {
    bytes: 0,
    cut: () => {
      cut = true;
    },
  };
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      load.grow(arriving, value.length);
      if (cut) return refusal(503, "too many bytes of unfinished requests (bufferedBytesMax)");
      if (arriving.bytes > bodySizeMax) {
        return refusal(413, `the body is larger than ${bodySizeMax} bytes (bodySizeMax)`);
      }
      pieces.push(value);
    }
    return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces);
  } catch {
    return refusal(400, `the body did not come whole, or is not ${encoding}`);
  } finally {
    load.done(arriving);
    // What is left of a refused body is not wanted; its own failure is of no interest.
    reader.cancel().catch(() => {});
  }
}

function refusal(status: number, text: string): ExchangeResponse {
  return { status, headers: { "Content-Type": "text/plain; charset=utf-8" }, body: `${text}\n` };
}

function responseOf({ status, headers, body }: ExchangeResponse): Response {
  const empty = status === 204;
  return new Response(empty ? null : (body as Uint8Array<ArrayBuffer> | string), { status, headers });
}
