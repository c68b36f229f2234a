// Faults as they stand in documents, both ways. What their numbers mean is in fault.ts.

import { describe } from "../../model/describe.js";
import { RpcError } from "../../model/index.js";
import { XmlRpcDecodeError } from "./error.js";
import { declarationOf, encodeText, escapeText, mendText } from "./escape.js";
import { type Settings, settingsOf, type XmlRpcOptions } from "./options.js";
import type { XmlRpcValue } from "./value.js";

/** What a peer says instead of a result. */
export interface Fault {
  readonly code: number;
  readonly string: string;
}

/**
 * The document of a fault. It must arrive, so characters that cannot be written are replaced in its text.
 *
 * @param code a whole number of 32 bits
 * @throws RpcError `invalid-argument` for another code
 */
export function encodeFault(code: number, string: string, options: XmlRpcOptions = {}): Uint8Array<ArrayBuffer> {
  const settings = settingsOf(options);
  if (!Number.isInteger(code) || (code | 0) !== code) {
    throw new RpcError("invalid-argument", `a fault code must be a whole number of 32 bits, not ${describe(code)}`, {
      executed: "unknown",
    });
  }
  const fault = faultValue(code, string, settings);
  const text = `${declarationOf(settings.encoding)}<methodResponse><fault>${fault}</fault></methodResponse>`;
  return encodeText(text, settings.encoding);
}

function faultValue(code: number, string: string, settings: Settings): string {
  const text = escapeText(mendText(string, settings), settings);
  const type = settings.integers === "i4" ? "i4" : "int";
  return (
    `<value><struct><member><name>faultCode</name><value><${type}>${code + 0}</${type}></value></member>` +
    `<member><name>faultString</name><value><string>${text}</string></value></member></struct></value>`
  );
}

/** One fault of a `system.multicall`. */
export function encodeInnerFault(code: number, string: string, options: XmlRpcOptions): string {
  return faultValue(code, string, settingsOf(options));
}

/** A struct of exactly faultCode, an int, and faultString, a string; `compat` takes what peers make of it. */
export function readFault(value: XmlRpcValue, strict: boolean): Fault {
  if (
    typeof value !== "object" ||
    value === null ||
    Array.isArray(value) ||
    Object.getPrototypeOf(value) !== Object.prototype
  ) {
    throw new XmlRpcDecodeError("message", "the fault is no struct", "fault");
  }
  const members = value as Record<string, XmlRpcValue>;
  const { faultCode, faultString } = members;
  if (strict) {
    if (typeof faultCode !== "number" || !Number.isInteger(faultCode)) {
      throw new XmlRpcDecodeError("message", "expected an int", "fault.faultCode");
    }
    if (typeof faultString !== "string") {
      throw new XmlRpcDecodeError("message", "expected a string", "fault.faultString");
    }
    if (Object.keys(members).length > 2) {
      throw new XmlRpcDecodeError("message", "a fault has no members but faultCode and faultString", "fault");
    }
    return { code: faultCode, string: faultString };
  }
  if (faultCode === undefined && faultString === undefined) {
    throw new XmlRpcDecodeError("message", "the fault has neither faultCode nor faultString", "fault");
  }
  return looseFault(faultCode, faultString);
}

/** Some send the code as a string of digits, and some a text there and nothing in the string. */
function looseFault(faultCode: XmlRpcValue | undefined, faultString: XmlRpcValue | undefined): Fault {
  const string = typeof faultString === "string" ? faultString : "";
  const code = typeof faultCode === "string" && faultCode.trim() === "" ? 0 : Number(faultCode ?? 0);
  if (Number.isSafeInteger(code)) return { code, string };
  const text = typeof faultCode === "string" ? faultCode : "";
  return { code: 0, string: text === "" || string === "" ? text + string : `${text}: ${string}` };
}
