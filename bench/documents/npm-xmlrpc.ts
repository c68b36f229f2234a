import { createRequire } from "node:module";
import { Readable } from "node:stream";
import type { DocumentContender, Item } from "./structs.js";

// The package's own parts, which its client and server are made of; it has no types.
const require = createRequire(import.meta.url);
const Deserializer = require("xmlrpc/lib/deserializer.js") as new () => {
  deserializeMethodResponse(stream: Readable, done: (error: Error | null, value: Item[]) => void): void;
};
const serializer = require("xmlrpc/lib/serializer.js") as { serializeMethodResponse(value: readonly Item[]): string };

export const documents: DocumentContender = {
  decode: (document) =>
    new Promise((resolve, reject) => {
      new Deserializer().deserializeMethodResponse(Readable.from([Buffer.from(document)]), (error, value) => {
        if (error === null) resolve(value.length);
        else reject(error);
      });
    }),
  encode: (value) => serializer.serializeMethodResponse(value).length,
};
