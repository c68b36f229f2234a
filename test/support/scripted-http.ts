import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** A request as it arrived. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** Numbers the connections from 1. */
  readonly connection: number;
}

/** What to do with a request: an answer, hanging up before it or in the middle of it, silence, or anything. */
export type Script =
  | {
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string | string[]>>;
      readonly body?: string | Uint8Array;
    }
  | "hang up"
  | "hang up in the body"
  | "be silent"
  | ((seen: Seen, response: ServerResponse) => void | Promise<void>);

const documents = {
  result: (value: string) =>
    `<?xml version="1.0"?><methodResponse><params><param><value>${value}</value></param></params></methodResponse>`,
  fault: (code: number, text: string) =>
    `<?xml version="1.0"?><methodResponse><fault><value><struct><member><name>faultCode</name><value><int>${code}</int></value></member><member><name>faultString</name><value><string>${text.replaceAll("<", "&lt;")}</string></value></member></struct></value></fault></methodResponse>`,
};

/** An answer of XML-RPC, by the value's text, such as `<int>196</int>`. */
export function result(value: string, headers: Readonly<Record<string, string>> = {}): Script {
  return { headers: { "Content-Type": "text/xml", ...headers }, body: documents.result(value) };
}

export function fault(code: number, text: string, headers: Readonly<Record<string, string>> = {}): Script {
  return { headers: { "Content-Type": "text/xml", ...headers }, body: documents.fault(code, text) };
}

/** A server over Node's own HTTP that does what its script says, request by request; at the end the last again. */
export class ScriptedHttp implements AsyncDisposable {
  readonly seen: Seen[] = [];
  readonly #server: Server;
  readonly #sockets = new Map<Socket, number>();
  script: Script[];

  private constructor(script: Script[]) {
    this.script = script;
    this.#server = createServer((request, response) => {
      let body = "";
      request.setEncoding("latin1").on("data", (chunk: string) => {
        body += chunk;
      });
      request.on("error", () => {});
      request.on("end", () => {
        const { method = "", url = "", headers, socket } = request;
        const seen = { method, url, headers, body, connection: this.#sockets.get(socket) ?? 0 };
        this.seen.push(seen);
        const next = this.script.length > 1 ? this.script.shift() : this.script[0];
        void this.#do(next ?? "be silent", seen, response);
      });
    });
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.set(socket, this.#sockets.size + 1);
      socket.on("error", () => {});
    });
  }

  static async start(...script: Script[]): Promise<ScriptedHttp> {
    const server = new ScriptedHttp(script);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  async #do(script: Script, seen: Seen, response: ServerResponse): Promise<void> {
    if (script === "be silent") return;
    if (script === "hang up") return void response.socket?.destroy();
    if (script === "hang up in the body") {
      response.writeHead(200, { "Content-Type": "text/xml", "Content-Length": "1000" });
      response.write('<?xml version="1.0"?><methodResponse>', () => response.socket?.destroy());
      return;
    }
    if (typeof script === "function") return await script(seen, response);
    response.writeHead(script.status ?? 200, script.headers);
    response.end(script.body);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `${this.origin}/RPC2`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Stops listening and ends every connection; the port is free. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
