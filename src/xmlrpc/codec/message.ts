// The two messages, both ways, in memory and in pieces.

import { describe } from "../../model/describe.js";
import { EncodeError } from "../../model/index.js";
import { ElementError, type ElementHandler, MessageBuilder, type MessageKind } from "./builder.js";
import { CharsetReader } from "./charset.js";
import { XmlRpcDecodeError } from "./error.js";
import { EscapeError, escapeText } from "./escape.js";
import { type Fault, readFault } from "./fault-document.js";
import { type Settings, settingsOf, type XmlRpcOptions } from "./options.js";
import { XmlReader } from "./parser.js";
import type { XmlRpcType } from "./type.js";
import type { XmlRpcValue } from "./value.js";
import { extensionNamespace, XmlRpcWriter } from "./writer.js";

/** A call as it arrived. */
export interface DecodedCall {
  readonly method: string;
  readonly params: readonly XmlRpcValue[];
}

/** An answer as it arrived. */
export type DecodedResponse =
  | { readonly value: XmlRpcValue; readonly fault?: undefined }
  | { readonly value?: undefined; readonly fault: Fault };

/** How a document is read, with what was said about it outside of it. */
export interface DecodeOptions extends XmlRpcOptions {
  /** The `charset` of the HTTP header Content-Type. It goes before the document's own declaration. */
  readonly charset?: string | undefined;
}

// --- encode

/**
 * The document of a call. Without parameters `params` is written empty, which every server takes.
 *
 * @param types of the parameters, where a contract gives them; otherwise JavaScript's types decide
 * @throws EncodeError for a value that XML-RPC cannot carry exactly, with its path, such as `params[0].items[3].id`
 */
export function encodeCall(
  method: string,
  params: readonly unknown[] = [],
  options: XmlRpcOptions = {},
  types?: readonly XmlRpcType<unknown>[],
): Uint8Array<ArrayBuffer> {
  const settings = settingsOf(options);
  const writer = new XmlRpcWriter(settings, "");
  writer.text += `<methodCall${namespace(settings)}><methodName>${nameText(method, settings)}</methodName><params>`;
  for (let i = 0; i < params.length; i++) {
    writer.root(`params[${i}]`);
    writer.text += "<param>";
    const type = types?.[i];
    if (type === undefined) writer.value(params[i]);
    else type.encode(writer, params[i]);
    writer.text += "</param>";
  }
  writer.text += "</params></methodCall>";
  return writer.finish();
}

/**
 * The document of an answer. A result of `undefined` is what a procedure without a result answers: XML-RPC has no word
 * for that, so an empty string goes, or `nil` where the options allow it.
 *
 * @param type of the result, where a contract gives it
 * @throws EncodeError for a value that XML-RPC cannot carry exactly, with its path, such as `result.items[3].id`
 */
export function encodeResponse(
  value: unknown,
  options: XmlRpcOptions = {},
  type?: XmlRpcType<unknown>,
): Uint8Array<ArrayBuffer> {
  return responseWriter(value, settingsOf(options), type).finish();
}

/**
 * The same as text where the document is short and UTF-8: whoever sends it makes bytes of it at less cost.
 *
 * @throws EncodeError as {@link encodeResponse}
 */
export function printResponse(
  value: unknown,
  settings: Settings,
  type: XmlRpcType<unknown> | undefined,
): string | Uint8Array<ArrayBuffer> {
  return responseWriter(value, settings, type).print();
}

function responseWriter(value: unknown, settings: Settings, type: XmlRpcType<unknown> | undefined): XmlRpcWriter {
  const writer = new XmlRpcWriter(settings, "result");
  writer.text += `<methodResponse${namespace(settings)}><params><param>`;
  writeResult(writer, value, type);
  writer.text += "</param></params></methodResponse>";
  return writer;
}

function writeResult(writer: XmlRpcWriter, value: unknown, type: XmlRpcType<unknown> | undefined): void {
  if (type !== undefined) type.encode(writer, value);
  else if (value === undefined) writer.nothing();
  else writer.value(value);
}

/**
 * One result of a `system.multicall`, to be put into {@link encodeInnerResults} with the others.
 *
 * @throws EncodeError as {@link encodeResponse}
 */
export function encodeInnerResult(value: unknown, options: XmlRpcOptions, type?: XmlRpcType<unknown>): string {
  const writer = new XmlRpcWriter(settingsOf(options), "result", "part");
  writer.text = "<value><array><data>";
  writeResult(writer, value, type);
  return `${writer.text}</data></array></value>`;
}

/**
 * The document that answers a `system.multicall`.
 *
 * @throws EncodeError when it is larger than the limits allow
 */
export function encodeInnerResults(results: readonly string[], options: XmlRpcOptions): Uint8Array<ArrayBuffer> {
  const settings = settingsOf(options);
  const writer = new XmlRpcWriter(settings, "result");
  const start = `<methodResponse${namespace(settings)}><params><param><value><array><data>`;
  writer.text += `${start}${results.join("")}</data></array></value></param></params></methodResponse>`;
  return writer.finish();
}

/** The one namespace, and only where it is used. */
function namespace({ nil, bigints }: Settings): string {
  return nil === "ex:nil" || bigints === "ex:i8" ? ` xmlns:ex="${extensionNamespace}"` : "";
}

function nameText(method: string, settings: Settings): string {
  if (typeof method !== "string" || method === "") throw new EncodeError(`${describe(method)} is no method's name`);
  if (method.length > settings.nameLengthMax) {
    throw new EncodeError(`the method's name is longer than nameLengthMax, ${settings.nameLengthMax} characters`);
  }
  if (settings.strict && !/^[A-Za-z0-9_.:/]+$/.test(method)) {
    throw new EncodeError(`the method's name ${describe(method)} has characters that method names do not have`);
  }
  if (/^[ \t\r\n]|[ \t\r\n]$/.test(method)) {
    throw new EncodeError(`the method's name ${describe(method)} begins or ends with white space`);
  }
  try {
    return escapeText(method, settings);
  } catch (error) {
    if (error instanceof EscapeError) throw new EncodeError(`the method's name: ${error.message}`);
    throw error;
  }
}

// --- decode

/** @throws XmlRpcDecodeError for a document that is no call, or more than the limits allow */
export function decodeCall(document: Uint8Array, options: DecodeOptions = {}): DecodedCall {
  const decoder = new CallDecoder(options);
  decoder.push(document);
  return decoder.end();
}

/** @throws XmlRpcDecodeError for a document that is no answer, or more than the limits allow */
export function decodeResponse(document: Uint8Array, options: DecodeOptions = {}): DecodedResponse {
  const decoder = new ResponseDecoder(options);
  decoder.push(document);
  return decoder.end();
}

/** Reads a document in pieces, as a network brings it. What was read is kept as values, never as text. */
class MessageDecoder {
  protected readonly settings: Settings;
  protected readonly builder: MessageBuilder;
  readonly #xml: XmlReader;
  readonly #bytes: CharsetReader;

  constructor(kind: MessageKind, options: DecodeOptions, element?: ElementHandler | undefined) {
    this.settings = settingsOf(options);
    this.builder = new MessageBuilder(kind, this.settings, element);
    this.#xml = new XmlReader(this.builder, this.settings.strict);
    this.#bytes = new CharsetReader(this.settings, options.charset, (text) => this.#xml.write(text));
  }

  /**
   * Reads a piece of any size. The bytes may be used again afterwards.
   *
   * @throws XmlRpcDecodeError as soon as it is clear that the document cannot be read; the decoder is of no use then
   */
  push(chunk: Uint8Array): void {
    try {
      this.#bytes.push(chunk);
    } catch (error) {
      throw error instanceof ElementError ? error.thrown : error;
    }
  }

  protected finish(): void {
    try {
      this.#bytes.end();
      this.#xml.end();
    } catch (error) {
      throw error instanceof ElementError ? error.thrown : error;
    }
  }
}

/** Reads a call in pieces. */
export class CallDecoder extends MessageDecoder {
  constructor(options: DecodeOptions = {}) {
    super("methodCall", options);
  }

  /**
   * After the last piece.
   *
   * @throws XmlRpcDecodeError for a document that is not whole, or no call
   */
  end(): DecodedCall {
    this.finish();
    const { method, params = [] } = this.builder;
    if (method === undefined) throw new XmlRpcDecodeError("message", "a methodCall without a methodName");
    return { method, params };
  }
}

/**
 * Reads an answer in pieces.
 *
 * ```ts
 * const decoder = new ResponseDecoder({}, (row, index) => console.log(index, row));
 * for await (const chunk of body) decoder.push(chunk);
 * const { fault } = decoder.end();
 * ```
 */
export class ResponseDecoder extends MessageDecoder {
  /**
   * @param element is given the elements of a result that is an array, each as soon as it is whole. They are not kept,
   *   so the array that `end` gives is empty. What it throws goes through `push`.
   */
  constructor(options: DecodeOptions = {}, element?: ElementHandler | undefined) {
    super("methodResponse", options, element);
  }

  /**
   * After the last piece.
   *
   * @throws XmlRpcDecodeError for a document that is not whole, or no answer
   */
  end(): DecodedResponse {
    this.finish();
    const { fault, params } = this.builder;
    if (fault !== undefined) return { fault: readFault(fault, this.settings.strict) };
    const value = params?.[0];
    if (value !== undefined) return { value };
    if (params === undefined || this.settings.strict) {
      throw new XmlRpcDecodeError("message", `a methodResponse without a ${params === undefined ? "params" : "param"}`);
    }
    // Servers in some languages answer so for a procedure without a result.
    return { value: null };
  }
}
