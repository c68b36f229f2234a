import { toBase64 } from "../../bytes/base64.js";
import type { Shape, StructShape, UnionShape } from "../../model/index.js";
import { getProperty, type Properties } from "../../model/property.js";
import { toJson } from "../../xdr/index.js";
import { armOf, unnamed } from "../../xdr/walk.js";

/** Characters after which a preview comes to its end: some four lines of a terminal. */
export const previewCharsMax = 320;

/** Longer strings are cut, so that what follows them is seen. */
const textCharsMax = 64;

/** The same for opaque data: 64 characters of base64. */
const opaqueBytesMax = 48;

/**
 * The beginning of a value, as JSON up to the places where `…` says that there is more; only strings that are read as
 * bytes are shown as the text that they are, where JSON has base64. It takes no longer for a value of 16 MiB than for a
 * small one.
 *
 * @param value what a codec of this shape decoded
 */
export function preview(shape: Shape, value: unknown, charsMax: number = previewCharsMax): string {
  const printer = new Preview(charsMax);
  printer.value(shape, value);
  return printer.text;
}

class Preview {
  text = "";
  readonly #charsMax: number;
  #cut = false;

  constructor(charsMax: number) {
    this.#charsMax = charsMax;
  }

  /** Recursive: every level of a value writes some characters, so their limit bounds its depth. */
  value(of: Shape, value: unknown): void {
    let shape = unnamed(of);
    while (shape.kind === "optional" && value !== null) shape = unnamed(shape.of);
    switch (shape.kind) {
      case "optional":
        this.text += "null";
        return;
      case "array":
        return this.#array(shape.element, value as readonly unknown[]);
      case "struct":
        return this.#struct(shape, value as Properties);
      case "union":
        return this.#union(shape, value as Properties);
      case "string":
        this.text += shape.as === "text" ? textPreview(value as string) : bytesOrText(value as Uint8Array);
        return;
      case "opaque":
        this.text += bytesPreview(value as Uint8Array);
        return;
      default:
        this.text += toJson(shape, value);
    }
  }

  /** Whether there is room for another part; says so where there is none. */
  #hasRoom(): boolean {
    if (this.text.length < this.#charsMax) return true;
    if (!this.#cut) this.text += "…";
    this.#cut = true;
    return false;
  }

  /** Nothing closes after the cut: a list would close all its nodes. */
  #close(bracket: string): void {
    if (!this.#cut) this.text += bracket;
  }

  #array(element: Shape, values: readonly unknown[]): void {
    this.text += "[";
    for (const [i, value] of values.entries()) {
      if (!this.#hasRoom()) return;
      if (i > 0) this.text += ",";
      this.value(element, value);
    }
    this.#close("]");
  }

  #struct({ fields }: StructShape, value: Properties): void {
    this.text += "{";
    for (const [i, { name, shape }] of fields.entries()) {
      if (!this.#hasRoom()) return;
      if (i > 0) this.text += ",";
      this.#field(name, shape, value);
    }
    this.#close("}");
  }

  #union(shape: UnionShape, value: Properties): void {
    const { name } = shape.discriminant;
    const given = getProperty(value, name);
    const byDefault = given === "default";
    const kind = byDefault ? value["$kind"] : given;
    this.text += `{${JSON.stringify(name)}:`;
    if (byDefault) this.text += `"default","$kind":`;
    this.value(shape.discriminant.shape, kind);
    const arm = armOf(shape, typeof kind === "boolean" ? Number(kind) : (kind as number | bigint));
    if (arm !== null && arm !== undefined) {
      if (!this.#hasRoom()) return;
      this.text += ",";
      this.#field(arm.name, arm.shape, value);
    }
    this.#close("}");
  }

  #field(name: string, shape: Shape, value: Properties): void {
    this.text += `${JSON.stringify(name)}:`;
    this.value(shape, getProperty(value, name));
  }
}

function textPreview(text: string): string {
  if (text.length <= textCharsMax) return JSON.stringify(text);
  return `${JSON.stringify(text.slice(0, textCharsMax)).slice(0, -1)}…"(${text.length} characters)`;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A string that is read as bytes because it may be in any encoding, such as a path: text where it is text after all. */
function bytesOrText(bytes: Uint8Array): string {
  // Four bytes a character at most, and no more is shown; a longer one may be cut within a character.
  if (bytes.length > 4 * textCharsMax) return bytesPreview(bytes);
  try {
    return textPreview(utf8.decode(bytes));
  } catch {
    return bytesPreview(bytes);
  }
}

function bytesPreview(bytes: Uint8Array): string {
  if (bytes.length <= opaqueBytesMax) return `"${toBase64(bytes)}"`;
  return `"${toBase64(bytes.subarray(0, opaqueBytesMax))}…"(${bytes.length} bytes)`;
}
