// etcd's JSON gateway: the calls of its API, version 3, as HTTP with JSON. Bytes are base64, 64-bit numbers are strings.

/** A key of etcd with its value, as far as a directory needs it. */
export interface EtcdItem {
  readonly key: string;
  readonly value: string;
  /** The lease that the key ends with, or "0". */
  readonly lease: string;
}

export interface EtcdEvent extends EtcdItem {
  readonly type: "put" | "delete";
}

/** etcd says no: there is nothing to be gained by asking another member. */
export class EtcdError extends Error {
  override readonly name = "EtcdError";
}

export interface EtcdClientOptions {
  readonly endpoints: readonly string[];
  readonly timeoutMs: number;
  /** Sent with every request, such as `Authorization`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: typeof globalThis.fetch;
}

/** Bytes of an answer, or of one message of a watch. */
const answerSizeMax = 64 * 2 ** 20;

export class EtcdClient {
  readonly #options: EtcdClientOptions;
  /** The member that answered last. */
  #current = 0;

  constructor(options: EtcdClientOptions) {
    this.#options = options;
  }

  /** Asks one member after another until one answers. @throws Error when none does, EtcdError when one refuses */
  async ask(path: string, body: object): Promise<Record<string, unknown>> {
    const { endpoints, timeoutMs } = this.#options;
    const first = this.#current;
    const failures: string[] = [];
    for (let i = 0; i < endpoints.length; i++) {
      const index = (first + i) % endpoints.length;
      try {
        const response = await this.#post(endpoints[index] as string, path, body, AbortSignal.timeout(timeoutMs));
        const text = await textOf(response);
        const answer = parse(text);
        if (response.ok) {
          this.#current = index;
          return answer;
        }
        const problem = String(answer["message"] ?? answer["error"] ?? response.status);
        // Members without a leader, or that cannot reach it, say 500 or 503; a lease that is unknown is 404.
        if (response.status < 500) throw new EtcdError(`etcd refuses ${path}: ${problem}`);
        failures.push(`${endpoints[index]}: ${problem}`);
      } catch (error) {
        if (error instanceof EtcdError) throw error;
        failures.push(`${endpoints[index]}: ${reasonOf(error)}`);
      }
    }
    throw new Error(`no member of etcd answers (${failures.join("; ")})`);
  }

  /** Whatever is below a prefix, and the revision that this is as of. */
  async range(prefix: string): Promise<{ items: EtcdItem[]; revision: bigint }> {
    const answer = await this.ask("kv/range", { key: base64(prefix), range_end: base64(prefixEnd(prefix)) });
    const { revision } = answer["header"] as { revision: string };
    const kvs = Array.isArray(answer["kvs"]) ? answer["kvs"] : [];
    return { items: kvs.map(itemOf), revision: BigInt(revision) };
  }

  /** How many keys the majority has below a prefix, and when one was last put. A member that is cut off cannot say. */
  async newest(prefix: string): Promise<{ count: number; revision: bigint }> {
    const range = { key: base64(prefix), range_end: base64(prefixEnd(prefix)) };
    const last = { sort_order: "DESCEND", sort_target: "MOD", limit: "1", keys_only: true };
    const answer = await this.ask("kv/range", { ...range, ...last });
    const [newest] = Array.isArray(answer["kvs"]) ? (answer["kvs"] as { mod_revision?: string }[]) : [];
    return { count: Number(answer["count"] ?? 0), revision: BigInt(newest?.mod_revision ?? 0) };
  }

  /**
   * What changes below a prefix from a revision on, as one list for each message. Ends with the connection or the signal.
   *
   * @throws Error when it cannot go on, such as for a revision that etcd has forgotten
   */
  async *watch(
    prefix: string,
    from: bigint,
    signal: AbortSignal,
  ): AsyncGenerator<{ events: EtcdEvent[]; revision: bigint }> {
    const { endpoints } = this.#options;
    const endpoint = endpoints[this.#current % endpoints.length] as string;
    const request = {
      create_request: { key: base64(prefix), range_end: base64(prefixEnd(prefix)), start_revision: String(from) },
    };
    const response = await this.#post(endpoint, "watch", request, signal);
    if (!response.ok || response.body === null) throw new Error(`${endpoint} answers ${response.status} to a watch`);
    for await (const line of lines(response.body)) {
      const message = parse(line);
      const result = message["result"] as Record<string, unknown> | undefined;
      if (result === undefined || result["canceled"] === true) {
        throw new Error(`etcd ends the watch: ${JSON.stringify(message).slice(0, 200)}`);
      }
      const header = result["header"] as { revision?: string } | undefined;
      const events = Array.isArray(result["events"]) ? result["events"] : [];
      yield { events: events.map(eventOf), revision: BigInt(header?.revision ?? 0) };
    }
  }

  /** The next member is asked first from now on. */
  turn(): void {
    this.#current = (this.#current + 1) % this.#options.endpoints.length;
  }

  #post(endpoint: string, path: string, body: object, signal: AbortSignal): Promise<Response> {
    const { fetch, headers } = this.#options;
    return fetch(`${endpoint.replace(/\/$/, "")}/v3/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
      signal,
    });
  }
}

export function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

function textFrom(value: unknown): string {
  return typeof value === "string" ? Buffer.from(value, "base64").toString() : "";
}

/** The first key after all that begin with the prefix. */
function prefixEnd(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}

function itemOf(kv: Record<string, unknown>): EtcdItem {
  const { key, value, lease } = kv;
  return { key: textFrom(key), value: textFrom(value), lease: typeof lease === "string" ? lease : "0" };
}

function eventOf(event: Record<string, unknown>): EtcdEvent {
  const item = itemOf((event["kv"] ?? {}) as Record<string, unknown>);
  return { ...item, type: event["type"] === "DELETE" ? "delete" : "put" };
}

function parse(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new Error(`etcd answers ${text.slice(0, 100)}`);
  return value as Record<string, unknown>;
}

async function textOf(response: Response): Promise<string> {
  let text = "";
  if (response.body === null) return text;
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length > answerSizeMax) throw new Error(`the answer has more than ${answerSizeMax} bytes`);
    // A stream's first message is the whole answer, as with a lease that is kept alive.
    if (text.endsWith("\n")) break;
  }
  return text;
}

async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) if (line !== "") yield line;
    if (rest.length > answerSizeMax) throw new Error(`a message of the watch has more than ${answerSizeMax} bytes`);
  }
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: string; message?: string }; message?: string };
  return cause?.code ?? cause?.message ?? message ?? String(error);
}
