import {
  decodeCall,
  decodeResponse,
  double,
  encodeCall,
  encodeFault,
  encodeResponse,
  NaiveDateTime,
  type XmlRpcOptions,
  type XmlRpcValue,
} from "farcall/xmlrpc";
import { describe, expect, it } from "vitest";
import { describeWith } from "../support/requirements.js";
import { type DecoderName, decodeWith } from "../support/xml-rpc-decoders.js";
import { show } from "../support/xml-rpc-show.js";

const textOf = (bytes: Uint8Array, encoding = "utf-8"): string => new TextDecoder(encoding).decode(bytes);
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What stands in the one value of an answer. */
function written(value: unknown, options?: XmlRpcOptions): string {
  const text = textOf(encodeResponse(value, options));
  const [, body] = /<param><value>(.*)<\/value><\/param>/s.exec(text) ?? [];
  if (body === undefined) throw new Error(text);
  return body;
}

class Plain {
  a = 1;
}

const noon = new Date(Date.UTC(2026, 6, 28, 12, 30, 15));
const noonText = (zone = ""): string => `<dateTime.iso8601>20260728T12:30:15${zone}</dateTime.iso8601>`;
const zeros = (count: number): string => "0".repeat(count);

/** A value, what is written, and what is read back, where that is another one. */
type Row = readonly [name: string, value: unknown, body: string, options?: XmlRpcOptions, back?: XmlRpcValue];

const rows: readonly Row[] = [
  ["a whole number", 41, "<int>41</int>"],
  ["a negative one", -41, "<int>-41</int>"],
  ["the largest of 32 bits", 2_147_483_647, "<int>2147483647</int>"],
  ["the smallest of 32 bits", -2_147_483_648, "<int>-2147483648</int>"],
  ["a whole number for a server of i4", 41, "<i4>41</i4>", { integers: "i4" }],
  ["a whole number for a server of i8", 41, "<i8>41</i8>", { integers: "i8" }],
  ["53 bits for a server of i8", 2 ** 53 - 1, "<i8>9007199254740991</i8>", { integers: "i8" }],
  ["a bigint", 41n, "<i8>41</i8>", {}, 41],
  ["the largest bigint", 2n ** 63n - 1n, "<i8>9223372036854775807</i8>"],
  ["the smallest bigint", -(2n ** 63n), "<i8>-9223372036854775808</i8>"],
  ["a bigint in Apache's way", 41n, "<ex:i8>41</ex:i8>", { bigints: "ex:i8" }, 41],
  ["a small bigint for a server without i8", 41n, "<int>41</int>", { bigints: "refuse" }, 41],
  ["a fraction", -12.214, "<double>-12.214</double>"],
  ["a whole number that is a double", double(21), "<double>21.0</double>", {}, 21],
  ["minus zero", -0, "<double>-0.0</double>"],
  ["a large number", 1e300, `<double>1${zeros(300)}.0</double>`],
  ["a large number with digits", -1.5e21, `<double>-15${zeros(20)}.0</double>`],
  ["the largest number", Number.MAX_VALUE, `<double>17976931348623157${zeros(292)}.0</double>`],
  ["the smallest number", 5e-324, `<double>0.${zeros(323)}5</double>`],
  ["a small number with digits", -1.25e-7, "<double>-0.000000125</double>"],
  ["more than any integer has", 2 ** 63, "<double>9223372036854776000.0</double>"],
  ["NaN, by option", Number.NaN, "<double>NaN</double>", { nonFinite: true }],
  ["infinity, by option", -Infinity, "<double>-Infinity</double>", { nonFinite: true }],
  ["true", true, "<boolean>1</boolean>"],
  ["false", false, "<boolean>0</boolean>"],
  ["a string", "South Dakota", "<string>South Dakota</string>"],
  ["the empty string", "", "<string></string>"],
  ["markup", "a<b>&c]]>", "<string>a&lt;b&gt;&amp;c]]&gt;</string>"],
  ["quotes", `"'`, `<string>"'</string>`],
  ["line ends", "a\rb\r\nc\nd\te", "<string>a&#13;b&#13;\nc\nd\te</string>"],
  ["a long text with markup", `${"x".repeat(100)}&`, `<string>${"x".repeat(100)}&amp;</string>`],
  ["any character", "é€😀\u0085\u2028", "<string>é€😀\u0085\u2028</string>"],
  ["a time", noon, noonText()],
  ["a time with a Z", noon, noonText("Z"), { dates: "utc-z" }],
  [
    "a time of no zone",
    new NaiveDateTime({ year: 2026, month: 7, day: 28, hour: 12, minute: 30, second: 15 }),
    noonText(),
    { dates: "naive" },
  ],
  [
    "a time of no zone, to where times are UTC",
    new NaiveDateTime({ year: 2026, month: 7, day: 28, hour: 12, minute: 30, second: 15 }),
    noonText(),
    { dates: "utc-z" },
    noon,
  ],
  ["milliseconds, by option", new Date(noon.getTime() + 50), noonText(".05"), { fractions: "write" }],
  ["milliseconds, dropped by option", new Date(noon.getTime() + 50), noonText(), { fractions: "drop" }, noon],
  [
    "nanoseconds, by option",
    new NaiveDateTime({ year: 1, month: 1, day: 1, nanosecond: 7 }),
    "<dateTime.iso8601>00010101T00:00:00.000000007</dateTime.iso8601>",
    { fractions: "write", dates: "naive" },
  ],
  ["bytes", Uint8Array.of(1, 2, 3, 255), "<base64>AQID/w==</base64>"],
  ["no bytes", new Uint8Array(), "<base64></base64>"],
  ["a Buffer", Buffer.from("AQI=", "base64"), "<base64>AQI=</base64>", {}, Uint8Array.of(1, 2) as never],
  [
    "a struct",
    { a: 1, b: "c" },
    "<struct><member><name>a</name><value><int>1</int></value></member><member><name>b</name><value><string>c</string></value></member></struct>",
  ],
  ["no members", {}, "<struct></struct>"],
  [
    "a struct without a prototype",
    Object.assign(Object.create(null) as object, { a: 1 }),
    "<struct><member><name>a</name><value><int>1</int></value></member></struct>",
    {},
    { a: 1 },
  ],
  [
    "a Map",
    new Map([["a", 1]]),
    "<struct><member><name>a</name><value><int>1</int></value></member></struct>",
    {},
    { a: 1 },
  ],
  [
    "a member's name with markup",
    { "<&>": 1 },
    "<struct><member><name>&lt;&amp;&gt;</name><value><int>1</int></value></member></struct>",
  ],
  [
    "a member called __proto__",
    JSON.parse('{"__proto__": 1}'),
    "<struct><member><name>__proto__</name><value><int>1</int></value></member></struct>",
  ],
  [
    "an array",
    [1, ["a"]],
    "<array><data><value><int>1</int></value><value><array><data><value><string>a</string></value></data></array></value></data></array>",
  ],
  ["no elements", [], "<array><data></data></array>"],
  [
    "the same array twice",
    ((one) => [one, one])([1]),
    "<array><data><value><array><data><value><int>1</int></value></data></array></value><value><array><data><value><int>1</int></value></data></array></value></data></array>",
  ],
  ["null, by option", null, "<nil/>", { nil: "nil" }],
  ["null in Apache's way", null, "<ex:nil/>", { nil: "ex:nil" }],
  ["nothing", undefined, "<string></string>", {}, ""],
  ["nothing, where there is nil", undefined, "<nil/>", { nil: "nil" }, null],
];

const table = rows.map(([name, value, body, options = {}, back = value as XmlRpcValue]) => ({
  name,
  value,
  body,
  options,
  back,
}));

describe("a value", () => {
  it.each(table)("is written and read: $name", ({ value, body, options, back }) => {
    expect(written(value, options)).toBe(body);
    const { value: read } = decodeResponse(encodeResponse(value, options), options);
    expect(show(read as XmlRpcValue)).toBe(show(back));
  });

  it("of Temporal is written as its parts", () => {
    // What Node 26 has; known by its tag.
    const plain = {
      [Symbol.toStringTag]: "Temporal.PlainDateTime",
      year: 2026,
      month: 7,
      day: 28,
      hour: 12,
      minute: 30,
      second: 15,
      millisecond: 0,
      microsecond: 0,
      nanosecond: 0,
    };
    const instant = { [Symbol.toStringTag]: "Temporal.Instant", epochMilliseconds: noon.getTime() };
    const parts = (of: object): object =>
      Object.create(Object.create(Object.prototype, {}), Object.getOwnPropertyDescriptors(of)) as object;
    expect(written(parts(plain))).toBe(noonText());
    expect(written(parts(instant))).toBe(noonText());
  });

  it("of another realm is plain too", async () => {
    const { runInNewContext } = await import("node:vm");
    expect(written(runInNewContext("({ a: 1 })"))).toBe(written({ a: 1 }));
  });
});

describe("a time of this process's zone", () => {
  it("is written and read as its clocks show it", () => {
    const date = new Date(2026, 0, 15, 9, 30, 0);
    expect(written(date, { dates: "local" })).toBe("<dateTime.iso8601>20260115T09:30:00</dateTime.iso8601>");
    expect(decodeResponse(encodeResponse(date, { dates: "local" }), { dates: "local" })).toEqual({ value: date });
  });
});

describe("what cannot be carried exactly is refused, by name", () => {
  const cyclic: unknown[] = [];
  cyclic.push({ again: cyclic });
  const deep = Array.from({ length: 300 }).reduce<unknown>((inner) => [inner], 1);
  const sparse: unknown[] = [];
  sparse[1] = 1;
  // biome-ignore format: a table
  const refused: readonly (readonly [name: string, value: unknown, message: RegExp, options?: XmlRpcOptions])[] = [
    ["undefined", { items: [0, 1, 2, { id: undefined }] }, /^result\.items\[3\]\.id: XML-RPC has no undefined$/],
    ["a hole in an array", sparse, /^result\[0\]: XML-RPC has no undefined/],
    ["a function", { a: () => 1 }, /^result\.a: XML-RPC has no function/],
    ["a symbol", [Symbol("a")], /^result\[0\]: XML-RPC has no symbol/],
    ["null", { a: null }, /^result\.a: null is not in the specification; the option nil/],
    ["a value that contains itself", cyclic, /^result\[0\]\.again: the value contains itself$/],
    ["a value that is too deep", deep, /^result\[0\].*: arrays and structs nest deeper than depthMax, 256$/],
    ["half of a surrogate pair", { "a": "x\ud800" }, /^result\.a: a string with half of a surrogate pair/],
    ["half of a surrogate pair in a name", { "x\udc00": 1 }, /half of a surrogate pair/],
    ["a control character", ["a\u0000"], /^result\[0\]: XML cannot carry the character U\+0000; send such text as base64/],
    ["U+FFFF", "\uffff", /^result: XML cannot carry the character U\+FFFF/],
    ["33 bits", 2 ** 31, /^result: 2147483648 does not fit an int, of 32 bits; give a bigint for an i8, or double\(2147483648\)/],
    ["33 bits, negative", -(2 ** 31) - 1, /^result: -2147483649 does not fit an int/],
    ["54 bits for a server of i8", 2 ** 53, /^result: 9007199254740992 does not fit/, { integers: "i8" }],
    ["65 bits", 2n ** 63n, /^result: 9223372036854775808n has more than 64 bits/],
    ["33 bits for a server without i8", 2n ** 31n, /^result: 2147483648n needs an i8, which/, { bigints: "refuse" }],
    ["NaN", [Number.NaN], /^result\[0\]: NaN is no double of XML-RPC; the option nonFinite/],
    ["infinity", Infinity, /^result: Infinity is no double/],
    ["an invalid date", new Date(Number.NaN), /^result: an invalid Date/],
    ["milliseconds", { a: new Date(1) }, /^result\.a: dateTime\.iso8601 has whole seconds only, not 1970-01-01T00:00:00\.001; set the option fractions/],
    ["an instant for a server whose times are none", noon, /^result: a Date is an instant/, { dates: "naive" }],
    ["the year 10000", new Date(Date.UTC(10000, 0)), /^result: the year 10000 does not have four digits/],
    ["a year before Christ", new Date(Date.UTC(-1, 0)), /^result: the year -1 does not have four digits/],
    ["an object of a class", new Plain(), /^result: XML-RPC has no Plain; give a plain object/],
    ["a Set", { a: new Set() }, /^result\.a: XML-RPC has no Set/],
    ["a Promise", Promise.resolve(1), /^result: XML-RPC has no Promise/],
    ["a Map with other keys", new Map([[1, 2]]), /^result: a member's name must be a string, not 1/],
    ["a long name", { [`n${"n".repeat(4096)}`]: 1 }, /a member's name is longer than nameLengthMax/],
    ["a long string", "abc", /^result: a string of 3 characters is longer than stringLengthMax, 2$/, { stringLengthMax: 2 }],
    ["many bytes", new Uint8Array(4), /^result: 4 bytes make more text than stringLengthMax, 4$/, { stringLengthMax: 4 }],
    ["many values", [1, 2, 3], /^result\[2\]: there are more values than valuesMax, 3$/, { valuesMax: 3 }],
    ["a document of too many values", Array.from({ length: 1000 }, () => "x".repeat(100)), /^result\[\d{3}\]: the document has more bytes than documentSizeMax, 70$/, { documentSizeMax: 70 }],
    ["a document longer than any string", Array.from({ length: 1000 }, () => "x".repeat(8_000_000)), /^result\[\d+\]: the document has more bytes/],
    ["a large document", "a", /^the document has 119 bytes, more than documentSizeMax, 100$/, { documentSizeMax: 100 }],
    ["a carriage return without references", "\r", /^result: the character U\+000D would arrive as a line feed, and characterReferences is off/, { characterReferences: false }],
    ["a character that the encoding lacks, without references", "€", /^result: the character U\+20AC is not in iso-8859-1, and characterReferences is off/, { preset: "homematic" }],
  ];
  it.each(refused.map(([name, value, message, options]) => ({ name, value, message, options })))(
    "$name",
    ({ value, message, options }) => {
      expect(() => encodeResponse(value, options)).toThrow(message);
      expect(() => encodeResponse(value, options)).toThrow(expect.objectContaining({ name: "EncodeError" }));
    },
  );

  it("with the path beside the message", () => {
    expect(() => encodeCall("a.b", [1, { items: [{ id: null }] }])).toThrow(
      expect.objectContaining({ path: "params[1].items[0].id" }),
    );
  });
});

describe("a method's name", () => {
  it.each([
    ["", /"" is no method's name/],
    ["n".repeat(5000), /longer than nameLengthMax/],
    [" a", /begins or ends with white space/],
    ["a\u0000", /the method's name: XML cannot carry/],
    [1 as never, /1 is no method's name/],
  ])("is refused when it is %j", (name, message) => {
    expect(() => encodeCall(name)).toThrow(message);
  });

  it("has only the specification's characters in the profile strict", () => {
    expect(() => encodeCall("a-b", [], { profile: "strict" })).toThrow(/characters that method names do not have/);
    expect(decodeCall(encodeCall("a-b <é>"))).toEqual({ method: "a-b <é>", params: [] });
  });
});

describe("a fault", () => {
  it("has exactly its two members", () => {
    expect(textOf(encodeFault(4, "Too many parameters."))).toBe(
      '<?xml version="1.0"?><methodResponse><fault><value><struct>' +
        "<member><name>faultCode</name><value><int>4</int></value></member>" +
        "<member><name>faultString</name><value><string>Too many parameters.</string></value></member>" +
        "</struct></value></fault></methodResponse>",
    );
  });

  it("arrives whatever its text is", () => {
    const text = "a\u0000b\ud800<é€>";
    expect(decodeResponse(encodeFault(-1, text))).toEqual({ fault: { code: -1, string: "a\ufffdb\ufffd<é€>" } });
    expect(decodeResponse(encodeFault(-1, text, { preset: "homematic" }))).toEqual({
      fault: { code: -1, string: "a?b?<é?>" },
    });
  });

  it.each([1.5, 2 ** 31, Number.NaN])("has a code of 32 bits, not %d", (code) => {
    expect(() => encodeFault(code, "")).toThrow(/must be a whole number of 32 bits/);
  });
});

describe("an encoding", () => {
  const value = "aé€😀\u0080";
  it.each([
    ["us-ascii", '<?xml version="1.0" encoding="US-ASCII"?>', "a&#233;&#8364;&#128512;&#128;"],
    ["iso-8859-1", '<?xml version="1.0" encoding="ISO-8859-1"?>', "a\xe9&#8364;&#128512;&#128;"],
    ["windows-1252", '<?xml version="1.0" encoding="WINDOWS-1252"?>', "a\xe9\x80&#128512;&#128;"],
  ] as const)("has references for what it lacks: %s", (encoding, declaration, body) => {
    const bytes = encodeResponse(value, { encoding });
    const document = Buffer.from(bytes).toString("latin1");
    expect(document.startsWith(declaration)).toBe(true);
    expect(document).toContain(`<string>${body}</string>`);
    expect(decodeResponse(bytes)).toEqual({ value });
  });

  it("of 16 bits begins with its mark", () => {
    const bytes = encodeResponse(value, { encoding: "utf-16" });
    expect([...bytes.subarray(0, 4)]).toEqual([0xff, 0xfe, 0x3c, 0]);
    expect(textOf(bytes, "utf-16le")).toContain('encoding="UTF-16"');
    expect(decodeResponse(bytes)).toEqual({ value });
  });

  it("of the header goes before that of the declaration", () => {
    const document = Buffer.from(
      '<?xml version="1.0" encoding="UTF-8"?><methodResponse><params><param><value>\xe9</value></param></params></methodResponse>',
      "latin1",
    );
    expect(decodeResponse(document, { charset: "ISO-8859-1" })).toEqual({ value: "é" });
    expect(() => decodeResponse(document)).toThrow(/not UTF-8/);
    expect(() => decodeResponse(document, { charset: "koi8-r" })).toThrow(
      /the Content-Type names the encoding "koi8-r"/,
    );
  });
});

describe("a preset", () => {
  const first = (value: unknown, options: XmlRpcOptions): string => written(value, options);

  it.each([
    ["odoo", null, "<nil/>"],
    ["rtorrent", 2 ** 40, "<i8>1099511627776</i8>"],
    ["homematic", 41, "<i4>41</i4>"],
    ["ros1", 41, "<i4>41</i4>"],
    ["supervisord", 41, "<int>41</int>"],
  ] as const)("%s writes what its servers take", (preset, value, body) => {
    expect(first(value, { preset })).toBe(body);
  });

  it("of HomeMatic is ISO-8859-1, and its times have no zone", () => {
    const bytes = encodeResponse("é", { preset: "homematic" });
    expect(Buffer.from(bytes).toString("latin1")).toContain('encoding="ISO-8859-1"?>');
    const time = bytesOf(
      `<methodResponse><params><param><value>${noonText()}</value></param></params></methodResponse>`,
    );
    expect(decodeResponse(time, { preset: "homematic" }).value).toBeInstanceOf(NaiveDateTime);
  });

  it("of rtorrent reads its i8 as numbers, of either profile", () => {
    const bytes = encodeResponse(5n);
    expect(decodeResponse(bytes, { preset: "rtorrent", profile: "strict", extensions: true })).toEqual({ value: 5 });
  });

  it("gives way to an option", () => {
    expect(first(41, { preset: "ros1", integers: "int" })).toBe("<int>41</int>");
    expect(first(41, { preset: "ros1", integers: undefined })).toBe("<i4>41</i4>");
  });

  it.each([
    [{ preset: "apache" }, /preset must be "odoo" or "rtorrent"/],
    [{ profile: "lax" }, /profile must be "strict" or "compat", not "lax"/],
    [{ nonFinite: 1 }, /nonFinite must be true or false, not 1/],
    [{ depthMax: -1 }, /depthMax must be a whole number, not -1/],
  ] as const)("and any option is checked: %j", (options, message) => {
    const wrong = options as unknown as XmlRpcOptions;
    expect(() => encodeResponse(1, wrong)).toThrow(message);
    expect(() => decodeCall(new Uint8Array(), wrong)).toThrow(expect.objectContaining({ code: "invalid-argument" }));
  });
});

describeWith(["python3"], "Python's xmlrpc", () => reads("python"));
describeWith(["gcc", "xmlrpc-c", "libtirpc"], "xmlrpc-c", () => reads("xmlrpc-c"));

/** What it makes of other things than farcall does; docs/xml-rpc-decoding.md says why. */
const unlike: Readonly<Record<DecoderName, readonly string[]>> = {
  python: [],
  "xmlrpc-c": [
    ...["a fraction", "a large number", "the largest number", "the smallest number", "a small number with digits"],
    ...["any character", "line ends"],
  ],
};

function reads(name: DecoderName): void {
  it("reads what is written", async () => {
    const asked = table.filter(
      ({ name: row, value }) =>
        !(unlike[name].includes(row) || value instanceof Date || value instanceof NaiveDateTime),
    );
    const documents = asked.map(
      ({ value, options }) => ({ kind: "response", bytes: encodeResponse(value, options) }) as const,
    );
    const verdicts = await decodeWith(name, documents);
    const said = asked.map(({ name: row }, i) => `${row}: ${verdicts[i]?.value ?? verdicts[i]?.refused}`);
    expect(said).toEqual(asked.map(({ name: row, back }) => `${row}: ${show(back)}`));
  });

  it("reads calls and faults", async () => {
    const call = { kind: "call", bytes: encodeCall("test.square", [14]) } as const;
    const fault = { kind: "response", bytes: encodeFault(4, "Too <many> parameters.") } as const;
    expect(await decodeWith(name, [call, fault])).toEqual([
      { value: "test.square(14)" },
      { value: 'fault 4 "Too <many> parameters."' },
    ]);
  });
}
