// A recorded conversation with an Odoo server, which answers a request as it was answered then: node odoo-recorded.js --port 8069
// The documents are as Odoo 17 writes them, by Python's xmlrpc: nil and all, a line for each element.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { decodeCall, encodeFault } from "farcall/xmlrpc";

interface Recorded {
  readonly path: string;
  /** The method, and what its parameters begin with. */
  readonly method: string;
  readonly params: readonly unknown[];
  readonly answer: string;
}

const answer = (value: string): string =>
  `<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value>${value}</value>\n</param>\n</params>\n</methodResponse>\n`;

const partner = (id: number, name: string, country: string, date: string): string =>
  `<value><struct>\n<member>\n<name>id</name>\n<value><int>${id}</int></value>\n</member>\n` +
  `<member>\n<name>name</name>\n<value><string>${name}</string></value>\n</member>\n` +
  `<member>\n<name>country_id</name>\n<value>${country}</value>\n</member>\n` +
  `<member>\n<name>create_date</name>\n<value><string>${date}</string></value>\n</member>\n</struct></value>\n`;

const country = (id: number, name: string): string =>
  `<array><data>\n<value><int>${id}</int></value>\n<value><string>${name}</string></value>\n</data></array>`;

export const conversation: readonly Recorded[] = [
  {
    path: "/xmlrpc/2/common",
    method: "authenticate",
    params: ["demo", "admin", "admin"],
    answer: answer("<int>2</int>"),
  },
  {
    path: "/xmlrpc/2/common",
    method: "authenticate",
    params: ["demo", "admin"],
    answer: answer("<boolean>0</boolean>"),
  },
  {
    path: "/xmlrpc/2/object",
    method: "execute_kw",
    params: ["demo", 2, "admin", "res.partner", "search_read"],
    answer: answer(
      `<array><data>\n${partner(14, "Azure Interior", country(233, "United States"), "2024-05-13 09:12:44")}` +
        `${partner(10, "Deco Addict", country(233, "United States"), "2024-05-13 09:12:44")}` +
        `${partner(31, "M&amp;V Möbel", "<boolean>0</boolean>", "2024-05-14 11:00:02")}</data></array>`,
    ),
  },
  {
    path: "/xmlrpc/2/object",
    method: "execute_kw",
    params: ["demo", 2, "admin", "res.partner", "create"],
    answer: answer("<int>78</int>"),
  },
];

/** Answers as the conversation went; what was not recorded gets the fault of a wrong model. */
export async function recordedOdoo(port: number): Promise<{ origin: string; close: () => void }> {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method, params } = decodeCall(Buffer.concat(chunks));
      const found = conversation.find(
        (recorded) =>
          recorded.path === request.url &&
          recorded.method === method &&
          recorded.params.every((param, i) => JSON.stringify(param) === JSON.stringify(params[i])),
      );
      const missing = encodeFault(2, `Object ${String(params[3])} doesn't exist`);
      response.writeHead(200, { Server: "Werkzeug/2.0.2 Python/3.10.12", "Content-Type": "text/xml; charset=utf-8" });
      response.end(found?.answer ?? missing);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

if (process.argv[1]?.endsWith("odoo-recorded.js") === true) {
  const { values } = parseArgs({ options: { port: { type: "string", default: "8069" } } });
  const { origin, close } = await recordedOdoo(Number(values.port));
  console.log(origin);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, close);
}
