// The XML parser, set up for XML-RPC: no DTD, no entities but the five, no more attributes than namespaces need.

import { SaxesParser } from "saxes";
import type { MessageBuilder } from "./builder.js";
import { XmlRpcDecodeError } from "./error.js";
import { attributesMax, prologSizeMax } from "./limits.js";

/** Feeds text to a builder. */
export class XmlReader {
  readonly #parser = new SaxesParser({ position: false, defaultXMLVersion: "1.0", forceXMLVersion: true });
  readonly #builder: MessageBuilder;
  #prolog = 0;
  #attributes = 0;

  constructor(builder: MessageBuilder, strict: boolean) {
    this.#builder = builder;
    const parser = this.#parser;
    parser.on("opentag", ({ name }) => {
      this.#attributes = 0;
      builder.open(name);
    });
    parser.on("closetag", () => builder.close());
    parser.on("text", (text) => builder.text(text));
    parser.on("cdata", (text) => builder.text(text));
    parser.on("attribute", ({ name }) => {
      if (++this.#attributes > attributesMax) {
        throw this.#error("limit", `an element has more than ${attributesMax} attributes`);
      }
      builder.attribute(name);
    });
    parser.on("doctype", () => {
      throw this.#error("syntax", "the document has a DTD, which is never read");
    });
    parser.on("xmldecl", ({ version }) => {
      if (strict && version !== "1.0") throw this.#error("syntax", "the document is not XML 1.0");
    });
    parser.on("error", ({ message }) => {
      const kind = /disallowed character\.|malformed character entity/.test(message) ? "character" : "syntax";
      throw this.#error(kind, message.replace(/\.$/, ""));
    });
  }

  /** @throws XmlRpcDecodeError for text that is no message */
  write(text: string): void {
    if (this.#builder.hasBegun) {
      this.#parser.write(text);
      return;
    }
    // Before the first element there is nothing to read but, perhaps, a DTD without an end.
    const head = text.slice(0, prologSizeMax - this.#prolog);
    this.#parser.write(head);
    this.#prolog += head.length;
    if (this.#builder.hasBegun) {
      if (head.length < text.length) this.#parser.write(text.slice(head.length));
    } else if (this.#prolog >= prologSizeMax) {
      throw this.#error("limit", `the first ${prologSizeMax} characters hold no element`);
    }
  }

  end(): void {
    this.#parser.close();
  }

  #error(kind: "syntax" | "character" | "limit", message: string): XmlRpcDecodeError {
    const { line, column } = this.#parser;
    return new XmlRpcDecodeError(kind, `${message} (line ${line}, column ${column})`);
  }
}
