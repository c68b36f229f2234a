import { type DecodeErrorKind, FaultCode, faultOutcome, type Preset, XmlRpcDecodeError } from "farcall/xmlrpc";
import { describe, expect, it } from "vitest";

describe("a fault", () => {
  it.each([
    ["not well-formed", -32700, undefined, "bad-arguments", "no"],
    ["an unsupported encoding", -32701, undefined, "bad-arguments", "no"],
    ["an invalid character", -32702, undefined, "bad-arguments", "no"],
    ["an invalid request", -32600, undefined, "bad-arguments", "no"],
    ["no such method", -32601, undefined, "unimplemented", "no"],
    ["bad parameters", -32602, undefined, "bad-arguments", "no"],
    ["an internal error", -32603, undefined, "server-error", "unknown"],
    ["an application's error", -32500, undefined, "server-error", "unknown"],
    ["a system's error", -32400, undefined, "server-error", "unknown"],
    ["a transport's error", -32300, undefined, "unavailable", "unknown"],
    ["xmlrpc-c's parse error, which rtorrent has for values too", -503, undefined, "bad-arguments", "unknown"],
    ["xmlrpc-c's missing method", -506, undefined, "unimplemented", "no"],
    ["xmlrpc-c's type error", -501, undefined, "bad-arguments", "unknown"],
    ["xmlrpc-c's refusal", -507, undefined, "denied", "unknown"],
    ["Python's only code", 1, undefined, "server-error", "unknown"],
    ["supervisord's missing method", 1, "supervisord", "unimplemented", "no"],
    ["supervisord's wrong parameters", 2, "supervisord", "bad-arguments", "no"],
    ["supervisord's missing process", 10, "supervisord", "not-found", "no"],
    ["supervisord's agreed codes", -32601, "supervisord", "unimplemented", "no"],
    ["supervisord's own other codes", 50, "supervisord", "server-error", "unknown"],
    ["Odoo's wrong password", 3, "odoo", "denied", "no"],
    ["Odoo's access rules", 4, "odoo", "denied", "unknown"],
    ["HomeMatic's unknown device", -2, "homematic", "not-found", "unknown"],
    ["a number named like a property", 0, undefined, "server-error", "unknown"],
  ] as [string, number, Preset | undefined, string, string][])("of %s", (_name, code, preset, outcome, executed) => {
    expect(faultOutcome({ code, string: "a text" }, preset)).toEqual({
      code: outcome,
      executed,
      status: { number: code, text: "a text" },
    });
  });

  it("of a server that says whether the procedure ran is believed", () => {
    expect(faultOutcome({ code: 1, string: "" }, undefined, "yes")).toMatchObject({ executed: "yes" });
    expect(faultOutcome({ code: -32601, string: "" }, undefined, "unknown")).toMatchObject({ executed: "unknown" });
  });

  it.each([
    ["syntax", FaultCode.NOT_WELL_FORMED],
    ["encoding", FaultCode.UNSUPPORTED_ENCODING],
    ["character", FaultCode.INVALID_CHARACTER],
    ["message", FaultCode.INVALID_REQUEST],
    ["value", FaultCode.INVALID_PARAMS],
    ["limit", FaultCode.INVALID_REQUEST],
  ] as [DecodeErrorKind, number][])("answers a document that cannot be read: %s", (kind, code) => {
    expect(new XmlRpcDecodeError(kind, "", "").faultCode).toBe(code);
  });
});
