// From the events of the XML parser to a message. The grammar is the specification's: what may stand in an element
// follows from the element, so the state is one word, and frames hold the arrays and structs that are not finished.

import { setProperty } from "../../model/property.js";
import { type DecodeErrorKind, XmlRpcDecodeError } from "./error.js";
import { scalarLengthMax } from "./limits.js";
import { ScalarError, shorten } from "./number.js";
import type { Settings } from "./options.js";
import { joinPath } from "./path.js";
import { type Scalar, scalars } from "./scalar.js";
import type { XmlRpcValue } from "./value.js";

/** What a document is. */
export type MessageKind = "methodCall" | "methodResponse";

/** The element that the builder is in. */
type State =
  | "document"
  | "methodCall"
  | "methodResponse"
  | "methodName"
  | "params"
  | "param"
  | "fault"
  | "value"
  // Within `value`, in a type's element.
  | "scalar"
  // Within `value`, after a type's element.
  | "valued"
  | "array"
  | "data"
  | "struct"
  | "member"
  | "name";

/** What a value is part of. */
type Holder = "param" | "fault" | "data" | "member";

/** An array or a struct that is not finished. */
class Frame {
  /** The elements so far; undefined for a struct. */
  elements: XmlRpcValue[] | undefined;
  members: Record<string, XmlRpcValue> = none;
  /** Of the member that is being read. */
  name: string | undefined;
  value: XmlRpcValue | undefined;
  hasData = false;
  /** What the array or struct itself is part of. */
  holder: Holder = "param";
}

const none: Record<string, XmlRpcValue> = {};

/** Whether a text is nothing but white space, as XML has it. */
function isBlank(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code !== 0x0a && code !== 0x20 && code !== 0x09 && code !== 0x0d) return false;
  }
  return true;
}

const blankEnds = /^[ \t\r\n]+|[ \t\r\n]+$/g;

/** What an {@link ElementHandler} threw, on its way through the parsers, which know errors of their own. */
export class ElementError extends Error {
  readonly thrown: unknown;

  constructor(thrown: unknown) {
    super("an element was not taken");
    this.thrown = thrown;
  }
}

/** Takes one element of the result as soon as it is whole, with its index. */
export type ElementHandler = (value: XmlRpcValue, index: number) => void;

export class MessageBuilder {
  readonly #element: ElementHandler | undefined;
  /** How many elements were given away. */
  #given = 0;
  readonly #kind: MessageKind;
  readonly #settings: Settings;
  readonly #strict: boolean;
  #state: State = "document";
  /** Text since the last tag, where text has a meaning. */
  #text = "";
  #scalar: Scalar | undefined;
  #value: XmlRpcValue = null;
  #values = 0;
  /** What the value that is being read is part of. */
  #holder: Holder = "param";
  /** Frames are used again: a document makes as many as it is deep. */
  readonly #frames: Frame[] = [];
  #depth = 0;
  #frame: Frame = new Frame();

  method: string | undefined;
  params: XmlRpcValue[] | undefined;
  fault: XmlRpcValue | undefined;
  #hasValue = false;
  /** What paths begin with. */
  #root: "" | "params" | "result" | "fault" = "";

  /** @param element is given the elements of a result that is an array, one by one; they are not kept then */
  constructor(kind: MessageKind, settings: Settings, element?: ElementHandler | undefined) {
    this.#element = element;
    this.#kind = kind;
    this.#settings = settings;
    this.#strict = settings.strict;
  }

  /** Where the builder is: the value that is being read. */
  get path(): string {
    const parts: (string | number)[] = this.#root === "" ? [] : [this.#root];
    if (this.#root === "params") parts.push(this.params?.length ?? 0);
    for (let i = 0; i < this.#depth; i++) {
      const frame = this.#frames[i] as Frame;
      const { elements, name } = frame;
      if (elements === undefined) {
        if (name !== undefined) parts.push(name);
      } else if (frame !== this.#frame || this.#state !== "array")
        parts.push(elements.length + (i === 0 ? this.#given : 0));
    }
    return joinPath(parts);
  }

  fail(kind: DecodeErrorKind, message: string): never {
    throw new XmlRpcDecodeError(kind, message, this.path);
  }

  // --- the parser's events

  attribute(name: string): void {
    if (!this.#strict || (this.#settings.extensions && /^xmlns(:|$)/.test(name))) return;
    this.fail("message", `an attribute, ${shorten(name)}; XML-RPC has none`);
  }

  open(name: string): void {
    switch (this.#state) {
      case "member":
        if (name === "value") this.#openValue("member");
        else if (name === "name") this.#openName();
        else this.#unexpected(name, "name or value");
        return;
      case "value":
        this.#openType(name);
        return;
      case "struct":
        if (name !== "member") this.#unexpected(name, "member");
        this.#frame.name = undefined;
        this.#frame.value = undefined;
        this.#state = "member";
        return;
      case "data":
        if (name !== "value") this.#unexpected(name, "value");
        this.#openValue("data");
        return;
      case "array":
        if (name !== "data") this.#unexpected(name, "data");
        if (this.#frame.hasData) this.fail("message", "an array with more than one data element");
        this.#frame.hasData = true;
        this.#state = "data";
        return;
      case "param":
      case "fault":
        if (name !== "value") this.#unexpected(name, "value");
        if (this.#hasValue) this.fail("message", `a ${this.#state} with more than one value`);
        this.#openValue(this.#state);
        return;
      case "params":
        if (name !== "param") this.#unexpected(name, "param");
        if (this.#kind === "methodResponse" && this.params?.length === 1) {
          this.fail("message", "a methodResponse with more than one param");
        }
        this.#hasValue = false;
        this.#root = this.#kind === "methodCall" ? "params" : "result";
        this.#state = "param";
        return;
      case "document":
        if (name !== this.#kind) this.#unexpected(name, this.#kind);
        this.#state = this.#kind;
        return;
      case "methodCall":
        this.#openInCall(name);
        return;
      case "methodResponse":
        this.#openInResponse(name);
        return;
      case "valued":
        this.fail("message", `a value with more than one type: there is a further element ${shorten(name)}`);
        break;
      default:
        this.fail(
          "message",
          `an element, ${shorten(name)}, within ${this.#state === "scalar" ? "a value" : this.#state}`,
        );
    }
  }

  text(text: string): void {
    switch (this.#state) {
      case "name":
      case "methodName":
        this.#checkName(this.#text + text, this.#state === "name" ? "member" : "method");
        this.#text += text;
        return;
      case "scalar":
      case "value":
        if (this.#text.length + text.length > this.#settings.stringLengthMax) {
          this.fail("limit", `a text is longer than stringLengthMax, ${this.#settings.stringLengthMax} characters`);
        }
        this.#text = this.#text === "" ? text : this.#text + text;
        return;
      default:
        if (!isBlank(text)) this.fail("message", `text between elements: ${shorten(text)}`);
    }
  }

  close(): void {
    switch (this.#state) {
      case "scalar":
        this.#value = this.#scalarValue();
        this.#text = "";
        this.#state = "valued";
        return;
      case "valued":
        this.#deliver(this.#value);
        return;
      case "value":
        // No type: a string.
        this.#value = this.#text;
        this.#text = "";
        this.#deliver(this.#value);
        return;
      case "member":
        this.#closeMember();
        return;
      case "name":
        this.#closeName();
        return;
      case "struct":
        this.#closeComposite(this.#frame.members);
        return;
      case "data":
        this.#state = "array";
        return;
      case "array":
        if (this.#strict && !this.#frame.hasData) this.fail("message", "an array without a data element");
        this.#closeComposite(this.#frame.elements as XmlRpcValue[]);
        return;
      case "param":
        if (!this.#hasValue) this.fail("message", "a param without a value");
        this.params?.push(this.#value);
        this.#root = "";
        this.#state = "params";
        return;
      case "fault":
        if (!this.#hasValue) this.fail("message", "a fault without a value");
        this.fault = this.#value;
        this.#root = "";
        this.#state = "methodResponse";
        return;
      case "params":
        this.#state = this.#kind;
        return;
      case "methodName":
        this.method = this.#methodName();
        this.#text = "";
        this.#state = "methodCall";
        return;
      default:
        this.#state = "document";
    }
  }

  // --- messages

  #openInCall(name: string): void {
    if (name === "methodName" && this.method === undefined) this.#state = "methodName";
    else if (name === "params" && this.method !== undefined && this.params === undefined) this.#openParams();
    else this.#unexpected(name, this.method === undefined ? "methodName" : this.params === undefined ? "params" : "");
  }

  #openInResponse(name: string): void {
    if (this.params !== undefined || this.fault !== undefined) this.#unexpected(name, "");
    if (name === "params") this.#openParams();
    else if (name === "fault") {
      this.#hasValue = false;
      this.#root = "fault";
      this.#state = "fault";
    } else this.#unexpected(name, "params or fault");
  }

  #openParams(): void {
    this.params = [];
    this.#state = "params";
  }

  #methodName(): string {
    const name = this.#strict ? this.#text : this.#text.replace(blankEnds, "");
    if (name === "") this.fail("message", "an empty methodName");
    if (this.#strict && !/^[A-Za-z0-9_.:/]+$/.test(name)) {
      this.fail("message", `the methodName ${shorten(name)} has characters that method names do not have`);
    }
    return name;
  }

  #checkName(name: string, what: string): void {
    const { nameLengthMax } = this.#settings;
    if (name.length > nameLengthMax) {
      this.fail("limit", `a ${what}'s name is longer than nameLengthMax, ${nameLengthMax} characters`);
    }
  }

  // --- values

  #openValue(holder: Holder): void {
    if (++this.#values > this.#settings.valuesMax) {
      this.fail("limit", `there are more values than valuesMax, ${this.#settings.valuesMax}`);
    }
    if (holder === "member") {
      const { name, value } = this.#frame;
      if (value !== undefined) this.fail("message", "a member with more than one value");
      if (this.#strict && name === undefined) this.fail("message", "a member whose value stands before its name");
    }
    this.#holder = holder;
    this.#state = "value";
  }

  #openType(name: string): void {
    if (this.#text !== "") {
      if (!isBlank(this.#text)) this.fail("message", `text and an element in one value: ${shorten(this.#text)}`);
      this.#text = "";
    }
    if (name === "struct") {
      const frame = this.#push();
      frame.elements = undefined;
      frame.members = {};
      this.#state = "struct";
      return;
    }
    if (name === "array") {
      const frame = this.#push();
      frame.elements = [];
      frame.hasData = false;
      this.#state = "array";
      return;
    }
    const scalar = scalars.get(name);
    if (scalar === undefined || (scalar.extension && !this.#settings.extensions)) {
      this.fail(
        "value",
        `${shorten(name)} is no type of XML-RPC${scalar === undefined ? "" : " in the profile strict"}`,
      );
    }
    this.#scalar = scalar;
    this.#state = "scalar";
  }

  #scalarValue(): XmlRpcValue {
    const scalar = this.#scalar as Scalar;
    let text = this.#text;
    try {
      if (scalar.long !== true) {
        if (text.length > scalarLengthMax) throw new ScalarError(`more than ${scalarLengthMax} characters`);
        if (!this.#strict && (text.charCodeAt(0) <= 0x20 || text.charCodeAt(text.length - 1) <= 0x20)) {
          text = text.replace(blankEnds, "");
        }
      }
      return scalar.parse(text, this.#settings);
    } catch (error) {
      if (error instanceof ScalarError) this.fail("value", error.message);
      throw error;
    }
  }

  /** A whole value goes to what it is part of. */
  #deliver(value: XmlRpcValue): void {
    this.#state = this.#holder;
    switch (this.#holder) {
      case "data":
        if (this.#element !== undefined && this.#depth === 1 && this.#root === "result") {
          this.#give(this.#element, value);
        } else (this.#frame.elements as XmlRpcValue[]).push(value);
        return;
      case "member":
        this.#frame.value = value;
        return;
      default:
        this.#value = value;
        this.#hasValue = true;
    }
  }

  #give(element: ElementHandler, value: XmlRpcValue): void {
    try {
      element(value, this.#given++);
    } catch (error) {
      throw new ElementError(error);
    }
  }

  #push(): Frame {
    if (this.#depth === this.#settings.depthMax) {
      this.fail("limit", `arrays and structs nest deeper than depthMax, ${this.#settings.depthMax}`);
    }
    let frame = this.#frames[this.#depth];
    if (frame === undefined) {
      frame = new Frame();
      this.#frames.push(frame);
    }
    this.#depth++;
    frame.holder = this.#holder;
    this.#frame = frame;
    return frame;
  }

  #closeComposite(value: XmlRpcValue): void {
    this.#holder = this.#frame.holder;
    // Nothing of the document is kept longer than its value.
    this.#frame.members = none;
    this.#frame.elements = undefined;
    this.#depth--;
    if (this.#depth > 0) this.#frame = this.#frames[this.#depth - 1] as Frame;
    this.#value = value;
    this.#state = "valued";
  }

  // --- members

  #openName(): void {
    if (this.#frame.name !== undefined) this.fail("message", "a member with more than one name");
    this.#state = "name";
  }

  #closeName(): void {
    const name = this.#text;
    this.#text = "";
    this.#frame.name = name;
    this.#state = "member";
  }

  #closeMember(): void {
    const { name, value, members } = this.#frame;
    if (name === undefined) this.fail("message", "a member without a name");
    if (value === undefined) this.fail("message", "a member without a value");
    if (Object.hasOwn(members, name)) this.fail("message", "the struct has this member twice");
    setProperty(members, name, value);
    this.#frame.name = undefined;
    this.#state = "struct";
  }

  #unexpected(name: string, expected: string): never {
    const instead = expected === "" ? "" : ` where ${expected} is expected`;
    this.fail("message", `the element ${shorten(name)}${instead === "" ? " is one too many" : instead}`);
  }
}
