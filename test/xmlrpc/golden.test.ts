import { decodeCall, decodeResponse, encodeCall, encodeResponse } from "farcall/xmlrpc";
import { describe, expect, it } from "vitest";

// The classic example: the square of 14 is 196.

const call =
  '<?xml version="1.0"?><methodCall><methodName>test.square</methodName><params><param><value><int>14</int></value></param></params></methodCall>';
const response =
  '<?xml version="1.0"?><methodResponse><params><param><value><int>196</int></value></param></params></methodResponse>';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("test.square", () => {
  it("is called with 14", () => {
    expect(text(encodeCall("test.square", [14]))).toBe(call);
    expect(decodeCall(bytes(call))).toEqual({ method: "test.square", params: [14] });
  });

  it("answers 196", () => {
    expect(text(encodeResponse(196))).toBe(response);
    expect(decodeResponse(bytes(response))).toEqual({ value: 196 });
  });
});
