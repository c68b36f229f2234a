/**
 * Reads plain XML-RPC, which is what nearly all peers write: the known tags without attributes, text, and references to
 * characters. It never refuses anything. Whatever else it meets, be it a comment, an attribute or a mistake, it leaves to
 * the XML parser from there on, so that there is one judge of what XML is. It takes a third of that parser's time.
 */
import { textOfCodes } from "../../bytes/codes.js";
import type { MessageBuilder } from "./builder.js";

/** What a document may begin with. Anything more is for the parser. */
const declaration = /^<\?xml version=(?:"1\.0"|'1\.0')(?: encoding=(?:"[A-Za-z][\w.-]*"|'[A-Za-z][\w.-]*'))? ?\?>/;
const declarationMax = 100;

/** Longer references than this are for the parser: `&#x10FFFF;` has ten characters. */
const referenceMax = 12;

/** The known tags, by the code of their first character. */
const tags: readonly (readonly string[] | undefined)[] = byFirst([
  ...["value", "member", "name", "string", "int", "i4", "i8", "double", "boolean", "struct", "array", "data"],
  ...["dateTime.iso8601", "base64", "nil", "param", "params", "methodName", "methodResponse", "methodCall", "fault"],
]);
const tagLengthMax = "dateTime.iso8601".length;

function byFirst(names: readonly string[]): (readonly string[] | undefined)[] {
  const table: string[][] = [];
  for (const name of names) {
    const code = name.charCodeAt(0);
    table[code] = [...(table[code] ?? []), name];
  }
  return Array.from({ length: 128 }, (_, code) => table[code]);
}

const less = 0x3c;
const greater = 0x3e;
const slash = 0x2f;

export class PlainReader {
  readonly #builder: MessageBuilder;
  /** The elements that are open, from the root on. */
  readonly open: string[] = [];
  hasDeclaration = false;
  /** The root element, once it has begun. */
  root: string | undefined;
  /** Whether it has met something that is not plain. */
  isStuck = false;

  constructor(builder: MessageBuilder) {
    this.#builder = builder;
  }

  /**
   * Reads from the start of `text`.
   *
   * @returns where it stopped: at something that is not plain, or at a tag or reference that is not there as a whole
   */
  read(text: string): number {
    let at = this.root === undefined ? this.#readProlog(text) : 0;
    while (!this.isStuck && at < text.length) {
      const next = text.charCodeAt(at) === less ? this.#readTag(text, at) : this.#readText(text, at);
      if (next === at) break;
      at = next;
    }
    return at;
  }

  #stuck(at: number): number {
    this.isStuck = true;
    return at;
  }

  #readProlog(text: string): number {
    if (this.hasDeclaration || !text.startsWith("<?")) return 0;
    const found = declaration.exec(text);
    if (found === null) return text.length < declarationMax && !text.includes("?>") ? 0 : this.#stuck(0);
    this.hasDeclaration = true;
    return found[0].length;
  }

  // --- tags

  #readTag(text: string, at: number): number {
    if (text.charCodeAt(at + 1) === slash) return this.#readEnd(text, at);
    const name = nameAt(text, at + 1);
    if (name === undefined) return this.#cut(text, at);
    const end = at + 1 + name.length;
    const isEmpty = text.charCodeAt(end) === slash;
    if (this.open.length === 0) {
      if (this.root !== undefined) return this.#stuck(at);
      this.root = name;
    }
    this.#builder.open(name);
    if (isEmpty) {
      this.#builder.close();
      return end + 2;
    }
    this.open.push(name);
    return end + 1;
  }

  #readEnd(text: string, at: number): number {
    const name = this.open[this.open.length - 1];
    if (name === undefined) return this.#stuck(at);
    const end = at + 2 + name.length;
    if (text.charCodeAt(end) !== greater || !isAt(text, at + 2, name)) return this.#cut(text, at);
    this.open.pop();
    this.#builder.close();
    return end + 1;
  }

  /** A tag that is not there as a whole waits for the rest, as long as a known one may come of it. */
  #cut(text: string, at: number): number {
    return text.length - at < tagLengthMax + 3 && text.indexOf(">", at) < 0 ? at : this.#stuck(at);
  }

  // --- text

  #readText(text: string, at: number): number {
    const { length } = text;
    let special = false;
    let end = at;
    for (; end < length; end++) {
      const code = text.charCodeAt(end);
      if (code > 0x3c && code !== 0x5d && code < 0xfffe) continue;
      if (code === less) break;
      if (code > 0x26 && code < less) continue;
      if (code === 0x26 || code === 0x0d) special = true;
      else if (code === 0x5d) {
        // "]]>" may not stand in text, and the rest of it may be in the next piece.
        if (end + 2 >= length || text.startsWith("]>", end + 1)) return this.#stuck(at);
      } else if ((code < 0x20 && code !== 0x0a && code !== 0x09) || code >= 0xfffe) return this.#stuck(at);
    }
    // Outside of the root there is white space, and the parser says what else there may be.
    if (this.open.length === 0) return isBlank(text, at, end) && !special ? end : this.#stuck(at);
    return special ? this.#readSpecial(text, at, end, end === length) : this.#give(text, at, end);
  }

  #give(text: string, at: number, end: number): number {
    this.#builder.text(text.slice(at, end));
    return end;
  }

  /** Text with references or carriage returns. What may go on in the next piece waits for it. */
  #readSpecial(text: string, at: number, end: number, isCut: boolean): number {
    let until = end;
    if (isCut) {
      const reference = text.lastIndexOf("&");
      if (reference >= at && text.indexOf(";", reference) < 0) {
        if (end - reference > referenceMax) return this.#stuck(at);
        until = reference;
      } else if (text.charCodeAt(end - 1) === 0x0d) until = end - 1;
      if (until === at) return at;
    }
    const read = resolve(text.slice(at, until));
    if (read === undefined) return this.#stuck(at);
    this.#builder.text(read);
    return until;
  }
}

/** The known name between `at` and the end of a start tag. */
function nameAt(text: string, at: number): string | undefined {
  const names = tags[text.charCodeAt(at)];
  if (names === undefined) return undefined;
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    const code = text.charCodeAt(at + name.length);
    const isEnd = code === greater || (code === slash && text.charCodeAt(at + name.length + 1) === greater);
    if (isEnd && isAt(text, at, name)) return name;
  }
  return undefined;
}

/** `text.startsWith(name, at)`, which is a call where this is compiled in line. */
function isAt(text: string, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    if (text.charCodeAt(at + i) !== name.charCodeAt(i)) return false;
  }
  return true;
}

function isBlank(text: string, at: number, end: number): boolean {
  for (let i = at; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code !== 0x20 && code !== 0x0a && code !== 0x09) return false;
  }
  return true;
}

const named: ReadonlyMap<string, string> = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["apos", "'"],
]);

/** Text with its references resolved and its line ends as one character; undefined when a reference is not plain. */
function resolve(text: string): string | undefined {
  let resolved = "";
  let from = 0;
  for (let at = text.indexOf("&"); at >= 0; at = text.indexOf("&", from)) {
    const end = text.indexOf(";", at);
    if (end < 0 || end - at > referenceMax) return undefined;
    const character = characterOf(text.slice(at + 1, end));
    if (character === undefined) return undefined;
    resolved += lines(text.slice(from, at)) + character;
    from = end + 1;
  }
  return resolved + lines(text.slice(from));
}

function characterOf(reference: string): string | undefined {
  if (!reference.startsWith("#")) return named.get(reference);
  const [, digits, hexadecimal] = /^#(?:([0-9]+)|x([0-9a-fA-F]+))$/.exec(reference) ?? [];
  const code = digits !== undefined ? Number(digits) : Number.parseInt(hexadecimal ?? "", 16);
  // XML 1.0, section 2.2.
  const isChar =
    code === 0x09 ||
    code === 0x0a ||
    code === 0x0d ||
    (code >= 0x20 && code < 0xd800) ||
    (code >= 0xe000 && code < 0xfffe) ||
    (code >= 0x1_0000 && code < 0x11_0000);
  return isChar ? String.fromCodePoint(code) : undefined;
}

/** XML 1.0, section 2.11. By codes: a text may be nothing but carriage returns, and replacing each takes long. */
function lines(text: string): string {
  if (!text.includes("\r")) return text;
  const codes = new Uint16Array(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    codes[length++] = code === 0x0d ? 0x0a : code;
    if (code === 0x0d && text.charCodeAt(i + 1) === 0x0a) i++;
  }
  return textOfCodes(codes.subarray(0, length));
}
