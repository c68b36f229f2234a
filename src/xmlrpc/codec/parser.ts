// From text to the builder: the plain reader as far as it goes, and from there on the XML parser, set up for XML-RPC: no
// DTD, no entities but the five, no more attributes than namespaces need.

import { SaxesParser } from "saxes";
import type { MessageBuilder } from "./builder.js";
import { XmlRpcDecodeError } from "./error.js";
import { attributesMax, prologSizeMax } from "./limits.js";
import { PlainReader } from "./plain.js";

/** Feeds the text of a document to a builder. */
export class XmlReader {
  readonly #builder: MessageBuilder;
  readonly #strict: boolean;
  readonly #plain: PlainReader;
  #parser: Parser | undefined;
  /** Text that is not read yet: the beginning of a tag or of a reference. */
  #rest = "";
  #size = 0;

  constructor(builder: MessageBuilder, strict: boolean) {
    this.#builder = builder;
    this.#strict = strict;
    this.#plain = new PlainReader(builder);
  }

  /** @throws XmlRpcDecodeError for text that is no message */
  write(piece: string): void {
    if (this.#parser !== undefined) {
      this.#parser.write(piece);
      return;
    }
    const text = this.#rest === "" ? piece : this.#rest + piece;
    const at = this.#plain.read(text);
    this.#size += at;
    this.#rest = at === text.length ? "" : text.slice(at);
    if (this.#plain.isStuck) this.#handOver();
    else if (this.#plain.root === undefined && this.#size >= prologSizeMax) throw noElement();
  }

  end(): void {
    // What is not whole is not plain: the parser says what is missing.
    const { root, open } = this.#plain;
    if (this.#parser === undefined && (this.#rest !== "" || root === undefined || open.length > 0)) this.#handOver();
    this.#parser?.end();
  }

  /** The parser goes on with the rest, after it was told what the plain reader has read: the elements that are open. */
  #handOver(): void {
    const { hasDeclaration, root, open } = this.#plain;
    const parser = new Parser(this.#builder, this.#strict, this.#size);
    const tags =
      open.length > 0 || root === undefined ? open.map((name) => `<${name}>`).join("") : `<${root}></${root}>`;
    parser.prepare((hasDeclaration ? '<?xml version="1.0"?>' : "") + tags);
    this.#parser = parser;
    parser.write(this.#rest);
    this.#rest = "";
  }
}

function noElement(): XmlRpcDecodeError {
  return new XmlRpcDecodeError("limit", `the first ${prologSizeMax} characters hold no element`);
}

/** The XML parser. */
class Parser {
  // Without positions, which cost time and are not needed.
  readonly #saxes = new SaxesParser({ position: false, defaultXMLVersion: "1.0", forceXMLVersion: true });
  readonly #builder: MessageBuilder;
  readonly #strict: boolean;
  /** How far the document was read before, less what the parser was told of that. */
  #offset: number;
  #isPreparing = false;
  /** Characters before the first element, so far. */
  #prolog = 0;
  #hasBegun = false;
  #attributes = 0;

  constructor(builder: MessageBuilder, strict: boolean, offset: number) {
    this.#builder = builder;
    this.#strict = strict;
    this.#offset = offset;
    // A parser with more handlers than seven is six times slower: each adds a property, and V8 then turns the object into
    // a dictionary. So errors are caught, and the declaration is looked at later.
    const saxes = this.#saxes;
    saxes.on("opentag", ({ name }) => {
      if (!this.#hasBegun) this.#begin();
      this.#attributes = 0;
      if (!this.#isPreparing) builder.open(name);
    });
    saxes.on("closetag", () => {
      if (!this.#isPreparing) builder.close();
    });
    saxes.on("text", (text) => builder.text(text));
    saxes.on("cdata", (text) => builder.text(text));
    saxes.on("attribute", ({ name }) => {
      if (++this.#attributes > attributesMax) {
        throw this.#error("limit", `an element has more than ${attributesMax} attributes`);
      }
      builder.attribute(name);
    });
    saxes.on("doctype", () => {
      throw this.#error("syntax", "the document has a DTD, which is never read");
    });
  }

  /** Reads what is not part of the document. */
  prepare(text: string): void {
    this.#isPreparing = true;
    this.#saxes.write(text);
    this.#isPreparing = false;
    this.#offset -= text.length;
  }

  /** @throws XmlRpcDecodeError for text that is no message */
  write(text: string): void {
    try {
      if (this.#hasBegun) this.#saxes.write(text);
      else this.#writeProlog(text);
    } catch (error) {
      throw this.#explain(error);
    }
  }

  end(): void {
    try {
      this.#saxes.close();
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Before the first element there is nothing to read but, perhaps, a DTD without an end. */
  #writeProlog(text: string): void {
    const head = text.slice(0, prologSizeMax - this.#prolog);
    this.#saxes.write(head);
    this.#prolog += head.length;
    if (this.#hasBegun) {
      if (head.length < text.length) this.#saxes.write(text.slice(head.length));
    } else if (this.#prolog >= prologSizeMax) {
      throw noElement();
    }
  }

  #begin(): void {
    this.#hasBegun = true;
    const { version } = this.#saxes.xmlDecl;
    if (this.#strict && version !== undefined && version !== "1.0") {
      throw this.#error("syntax", `the document is XML ${version}, not 1.0`);
    }
  }

  /** What the parser throws is an Error with a sentence. */
  #explain(error: unknown): unknown {
    if (!(error instanceof Error) || error.constructor !== Error) return error;
    const message = error.message.replace(/\.$/, "");
    const isCharacter = message === "disallowed character" || message === "malformed character entity";
    return this.#error(isCharacter ? "character" : "syntax", message);
  }

  #error(kind: "syntax" | "character" | "limit", message: string): XmlRpcDecodeError {
    const at = this.#offset + this.#saxes.position;
    return new XmlRpcDecodeError(kind, `${message} (at character ${at})`, this.#builder.path);
  }
}
