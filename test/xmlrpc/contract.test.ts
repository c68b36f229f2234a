import {
  any,
  array,
  base64,
  boolean,
  dateTime,
  decodeCall,
  decodeParams,
  decodeResponse,
  decodeResult,
  double,
  encodeCall,
  encodeProcedureCall,
  encodeResponse,
  encodeResult,
  i8,
  int,
  method,
  NaiveDateTime,
  naiveDateTime,
  nothing,
  nullable,
  optional,
  record,
  recursive,
  rest,
  string,
  struct,
  type XmlRpcOptions,
  type XmlRpcType,
  xmlRpcService,
} from "farcall/xmlrpc";
import { describe, expect, it } from "vitest";

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** What a result of a type looks like between its `param` tags. */
function written<T>(type: XmlRpcType<T>, value: T, options: XmlRpcOptions = {}): string {
  const procedure = method("a.b", { params: [], result: type });
  const [, body = ""] = /<param>(.*)<\/param>/s.exec(textOf(encodeResult(procedure, value, options))) ?? [];
  return body;
}

/** What a result of a type is, of what a peer sent. */
function read<T>(type: XmlRpcType<T>, body: string, options: XmlRpcOptions = {}): unknown {
  const document = `<methodResponse><params><param>${body}</param></params></methodResponse>`;
  const { value } = decodeResponse(new TextEncoder().encode(document), options);
  if (value === undefined) throw new Error("a fault");
  return decodeResult(method("a.b", { params: [], result: type }), value);
}

const memberA = "<value><struct><member><name>a</name><value><int>1</int></value></member></struct></value>";
const array12 = "<value><array><data><value><int>1</int></value><value><int>2</int></value></data></array></value>";

interface Tree {
  name: string;
  children: Tree[];
}
const tree: XmlRpcType<Tree> = recursive(() => struct({ name: string, children: array(tree) }));

const noon = new Date(Date.UTC(2026, 6, 28, 12));

describe("a type", () => {
  it.each([
    ["int", int, 14, "<value><int>14</int></value>"],
    ["i8", i8, 14n, "<value><i8>14</i8></value>"],
    ["double", double, 14, "<value><double>14.0</double></value>"],
    ["boolean", boolean, true, "<value><boolean>1</boolean></value>"],
    ["string", string, "a&b", "<value><string>a&amp;b</string></value>"],
    ["dateTime", dateTime, noon, "<value><dateTime.iso8601>20260728T12:00:00</dateTime.iso8601></value>"],
    ["base64", base64, Uint8Array.of(1, 2, 3), "<value><base64>AQID</base64></value>"],
    ["array", array(int), [1, 2], array12],
    ["struct", struct({ a: int, b: optional(int) }), { a: 1 }, memberA],
    ["record", record(int), { a: 1 }, memberA],
    ["nullable, with a value", nullable(int), 1, "<value><int>1</int></value>"],
    ["any", any, 1, "<value><int>1</int></value>"],
    [
      "recursive",
      tree,
      { name: "a", children: [] },
      "<value><struct><member><name>name</name><value><string>a</string></value></member>" +
        "<member><name>children</name><value><array><data></data></array></value></member></struct></value>",
    ],
  ] as [string, XmlRpcType<unknown>, unknown, string][])("is written and read: %s", (_name, type, value, body) => {
    expect(written(type, value)).toBe(body);
    expect(read(type, body)).toEqual(value);
  });

  it("that is nullable goes as nil where the option has it", () => {
    expect(written(nullable(int), null, { nil: "nil" })).toBe("<value><nil/></value>");
    expect(read(nullable(int), "<value><nil/></value>")).toBe(null);
    expect(() => written(nullable(int), null)).toThrow(/^result: null is not in the specification/);
  });

  it("that is a time without a zone goes by the option", () => {
    const time = new NaiveDateTime({ year: 2026, month: 7, day: 28, hour: 12 });
    const body = "<value><dateTime.iso8601>20260728T12:00:00</dateTime.iso8601></value>";
    expect(written(naiveDateTime, time)).toBe(body);
    expect(read(naiveDateTime, body, { dates: "naive" })).toEqual(time);
    expect(() => read(naiveDateTime, body)).toThrow(/^result: expected a time without a zone/);
    expect(() => read(dateTime, body, { dates: "naive" })).toThrow(/^result: expected a time with a zone/);
  });

  it("without a value is an empty string, and takes whatever comes", () => {
    expect(written(nothing, undefined)).toBe("<value><string></string></value>");
    expect(written(nothing, undefined, { nil: "nil" })).toBe("<value><nil/></value>");
    expect(read(nothing, "<value><boolean>1</boolean></value>")).toBe(undefined);
  });

  it.each([
    ["int", int, 1.5],
    ["int", int, 2 ** 31],
    ["int", int, -0],
    ["int", int, 1n],
    ["i8", i8, 1],
    ["i8", i8, 2n ** 63n],
    ["double", double, "1"],
    ["double", double, Number.NaN],
    ["boolean", boolean, 1],
    ["string", string, 1],
    ["dateTime", dateTime, "20260728T12:00:00"],
    ["dateTime", dateTime, new Date(Number.NaN)],
    ["base64", base64, "AQID"],
    ["nothing", nothing, 1],
    ["nullable", nullable(int), undefined],
  ] as [string, XmlRpcType<unknown>, unknown][])(
    "refuses what is not of it, by name: %s of %s",
    (_name, type, value) => {
      const inner = struct({ items: array(struct({ id: type })) });
      const procedure = method("a.b", { params: [inner], result: nothing });
      expect(() => encodeProcedureCall(procedure, [{ items: [{ id: value }] }])).toThrow(
        /^params\[0\]\.items\[0\]\.id: /,
      );
    },
  );

  it.each([
    ["int", int, "<value>1</value>"],
    ["int", int, "<value><i8>2147483648</i8></value>"],
    ["int", int, "<value><double>1.5</double></value>"],
    ["i8", i8, "<value><double>1.5</double></value>"],
    ["double", double, "<value><string>1.5</string></value>"],
    ["boolean", boolean, "<value><int>1</int></value>"],
    ["string", string, "<value><int>1</int></value>"],
    ["dateTime", dateTime, "<value>20260728T12:00:00</value>"],
    ["base64", base64, "<value>AQID</value>"],
    ["array", array(int), "<value><struct></struct></value>"],
    ["array", array(int), "<value><array><data><value>a</value></data></array></value>"],
    ["struct", struct({ a: int }), "<value><array><data></data></array></value>"],
    ["struct", struct({ a: int }), "<value><struct></struct></value>"],
    ["struct", struct({ a: int }), "<value><dateTime.iso8601>20260728T12:00:00</dateTime.iso8601></value>"],
    ["exact struct", struct({}, { exact: true }), memberA],
    ["record", record(string), memberA],
    ["nullable", nullable(int), "<value></value>"],
  ] as [string, XmlRpcType<unknown>, string][])(
    "refuses what a peer may not send, by name: %s of %s",
    (_n, type, body) => {
      const around = array(struct({ id: type }));
      const document = `<value><array><data><value><struct><member><name>id</name>${body}</member></struct></value></data></array></value>`;
      expect(() => read(around, document)).toThrow(/^result\[0\]\.id(\[0\]|\.a)?: (expected|there is no member)/);
    },
  );

  it("takes what a peer says with another type of the same value", () => {
    expect(read(int, "<value><i8>5</i8></value>", { i8: "bigint" })).toBe(5);
    expect(read(i8, "<value><int>5</int></value>")).toBe(5n);
    expect(read(double, "<value><int>5</int></value>")).toBe(5);
  });

  it("passes over members that it does not name, unless it is exact", () => {
    expect(read(struct({}), memberA)).toEqual({});
  });

  it("keeps a member called __proto__ as data", () => {
    const type = struct({ ["__proto__"]: int });
    const body = "<value><struct><member><name>__proto__</name><value><int>1</int></value></member></struct></value>";
    const made = read(type, body) as object;
    expect(Object.getOwnPropertyDescriptor(made, "__proto__")?.value).toBe(1);
    expect(Object.getPrototypeOf(made)).toBe(Object.prototype);
    expect(written(type, made as never)).toBe(body);
  });
});

describe("parameters", () => {
  const start = method("supervisor.startProcess", { params: [string, optional(boolean)], result: boolean });

  it("that are optional may be left out at the end", () => {
    expect(encodeProcedureCall(start, ["a"])).toEqual(encodeCall("supervisor.startProcess", ["a"]));
    expect(encodeProcedureCall(start, ["a", undefined])).toEqual(encodeCall("supervisor.startProcess", ["a"]));
    expect(encodeProcedureCall(start, ["a", false])).toEqual(encodeCall("supervisor.startProcess", ["a", false]));
    expect(decodeParams(start, ["a"])).toEqual(["a", undefined]);
    expect(decodeParams(start, ["a", true])).toEqual(["a", true]);
  });

  it("are counted", () => {
    expect(() => encodeProcedureCall(start, ["a", true, 1])).toThrow("takes 2 parameters, and there are 3");
    expect(() => encodeProcedureCall(start, [])).toThrow(/^params\[0\]: expected a string, got undefined/);
    expect(() => decodeParams(start, [])).toThrow("supervisor.startProcess takes 1 to 2 parameters, and there are 0");
    expect(() => decodeParams(start, ["a", true, 1])).toThrow("and there are 3");
  });

  it("are named when one is wrong", () => {
    expect(() => decodeParams(start, ["a", 1])).toThrow(/^params\[1\]: expected a boolean, got 1$/);
    expect(() => decodeParams(start, ["a", 1])).toThrow(
      expect.objectContaining({ path: "params[1]", faultCode: -32602 }),
    );
  });

  it("may not be left out before one that may not", () => {
    expect(() => method("a.b", { params: [optional(int), int], result: int })).toThrow(RangeError);
  });

  it("come as one array where there is any number of them", () => {
    const join = method("join", { params: [string, optional(int), rest(boolean)], result: string });
    const paramsOf = (...args: unknown[]) => decodeCall(encodeProcedureCall(join, args)).params;
    expect(paramsOf("a", 1, [true, false])).toEqual(["a", 1, true, false]);
    expect(paramsOf("a", 1, [])).toEqual(["a", 1]);
    expect(paramsOf("a", undefined, [])).toEqual(["a"]);
    expect(decodeParams(join, ["a", 1, true, false])).toEqual(["a", 1, [true, false]]);
    expect(decodeParams(join, ["a"])).toEqual(["a", undefined, []]);
    expect(() => decodeParams(join, [])).toThrow("join takes 1 or more parameters, and there are 0");
    expect(() => decodeParams(join, ["a", 1, true, "x"])).toThrow(/^params\[3\]: expected a boolean, got "x"$/);
    expect(() => paramsOf("a", 1, [true, "x"])).toThrow(/^params\[3\]: expected a boolean, got "x"$/);
    expect(() => paramsOf("a", 1, true)).toThrow("params[2]: expected an array of the further parameters, got true");
    expect(() => paramsOf("a", undefined, [true])).toThrow(/^params\[1\]: a value may be left out only/);
    expect(() => method("a.b", { params: [rest(int), int], result: int })).toThrow(
      "parameter 0 is the rest, so there is none behind it",
    );
  });
});

describe("a service", () => {
  const square = method("test.square", { params: [int], result: int });

  it("knows its methods by their names in JavaScript", () => {
    const service = xmlRpcService({ square });
    expect(service).toMatchObject({ name: "test", version: 1, protocol: { name: "xmlrpc" } });
    expect(service.procedures.square).toMatchObject({ name: "test.square", semantics: "at-most-once" });
  });

  it("reads the call that its client wrote, and the other way round", () => {
    const call = decodeCall(encodeProcedureCall(square, [14]));
    expect(call.method).toBe(square.name);
    expect(decodeParams(square, call.params)).toEqual([14]);
    expect(encodeResult(square, 196)).toEqual(encodeResponse(196));
  });

  it.each([
    ["a name twice on the wire", { a: square, b: square }, "a and b are both test.square"],
    ["a name of the client's controls", { $close: square }, "cannot be called $close"],
    // biome-ignore lint/suspicious/noThenProperty: it is what the service refuses.
    ["a name that makes the client a promise", { then: square }, "cannot be called then"],
  ])("refuses %s", (_what, methods, message) => {
    expect(() => xmlRpcService(methods)).toThrow(message);
  });
});
