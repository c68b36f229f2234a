import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { requestLimitDefaults } from "../../src/async/core/limits.js";
import { directoryLimitDefaults, leaseMsMin } from "../../src/binder/directory/limits.js";
import { connectTimeoutMsDefault, timeoutMsDefault } from "../../src/call/call-options.js";
import { hedgesMax } from "../../src/call/hedge.js";
import { replyStoreDefaults } from "../../src/call/reply-cache.js";
import { retryAttempts, retryBudgetDefaults } from "../../src/call/retry.js";
import { aheadMax } from "../../src/drive/exchange-connection.js";
import { exchangeLimitDefaults } from "../../src/net/exchange-limits.js";
import { idleMsDefault } from "../../src/net/http-client.js";
import { callbacksPerCallerMax } from "../../src/onc/callback-channel.js";
import { callbackLimits } from "../../src/onc/callback-server.js";
import {
  reservedCallSizeMax,
  runningBytesMax,
  runningCallsMax,
  runningDatagramBytesMax,
  runningDatagramsMax,
} from "../../src/onc/engine/admission.js";
import { pendingCallsMax, queueBytesMax } from "../../src/onc/engine/client-engine.js";
import { datagramSizeMax, datagramWindow } from "../../src/onc/engine/datagram-client.js";
import { runningPerConnectionMax } from "../../src/onc/engine/stream-server.js";
import { opaqueAuthMax } from "../../src/onc/message.js";
import { recordFragmentsMax, recordSizeMax } from "../../src/onc/record.js";
import { serverLimitDefaults } from "../../src/onc/server-limits.js";
import { sessionLimitDefaults } from "../../src/onc/session/table.js";
import { depthMaxDefault, emptyElementsMax } from "../../src/xdr/limits.js";
import { attributesMax, limitDefaults, prologSizeMax, scalarLengthMax } from "../../src/xmlrpc/codec/limits.js";
import { drainedBytes, shownBytes } from "../../src/xmlrpc/engine/attempt.js";
import {
  exchangesMax,
  redirectsMax,
  pendingCallsMax as xmlRpcPendingCallsMax,
  queueBytesMax as xmlRpcQueueBytesMax,
} from "../../src/xmlrpc/engine/client-engine.js";
import { cookieSizeMax, cookiesMax } from "../../src/xmlrpc/engine/cookies.js";
import { runningDefaults } from "../../src/xmlrpc/server-options.js";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const page = read("docs/limits.md");
const [, serverSection = "", client = ""] = page.split(/^## .*$/m);
const [server = "", replyCache = ""] = serverSection.split(/^The reply cache/m);

/** The names and defaults of a section's table. */
function table(section: string): Record<string, number> {
  const rows = [...section.matchAll(/^\| `(\w+)` \| ([\d,]+) \|/gm)];
  return Object.fromEntries(rows.map(([, name = "", value = ""]) => [name, Number(value.replaceAll(",", ""))]));
}

/** The text below a heading. */
function section(heading: string): string {
  const [, text = ""] = page.split(new RegExp(`^## ${heading}$`, "m"));
  return text.split(/^## /m)[0] ?? "";
}

/** The options of an interface, by its text. */
function options(path: string, name: string): string[] {
  const [, body = ""] = new RegExp(`interface ${name}\\b[^{]*{(.*?)\\n}`, "s").exec(read(path)) ?? [];
  return [...body.matchAll(/readonly (\w+)\?/g)].map(([, option = ""]) => option);
}

describe("docs/limits.md", () => {
  it("lists every limit of sessions, with the default that the code has", () => {
    const [, sessions = ""] = page.split(/^## Sessions$/m);
    expect(table(sessions.split(/^## /m)[0] ?? "")).toEqual(sessionLimitDefaults);
  });

  it("lists every limit of names, with the default that the code has", () => {
    const [, names = ""] = page.split(/^## Names$/m);
    const [section = ""] = names.split(/^## /m);
    expect(table(section)).toEqual(directoryLimitDefaults);
    expect(section).toContain(`The shortest is ${leaseMsMin.toLocaleString("en")}`);
  });

  it("lists every limit of asynchronous requests, with the default that the code has", () => {
    const [, requests = ""] = page.split(/^## Asynchronous requests$/m);
    expect(table(requests.split(/^## /m)[0] ?? "")).toEqual(requestLimitDefaults);
  });

  it("lists every limit of the server, with the default that the code has", () => {
    expect(table(server)).toEqual({
      ...serverLimitDefaults,
      recordSizeMax,
      fragmentsMax: recordFragmentsMax,
      datagramSizeMax,
      runningPerConnectionMax,
      runningCallsMax,
      runningBytesMax,
      credentialSizeMax: opaqueAuthMax,
      reservedCallSizeMax,
      runningDatagramsMax,
      runningDatagramBytesMax,
      callbacksPerCallerMax,
    });
    expect(Object.keys(table(server)).sort()).toEqual(options("src/onc/server-limits.ts", "ServerLimits").sort());
  });

  it("lists every limit of the reply cache, with the default that the code has", () => {
    expect(table(replyCache)).toEqual(replyStoreDefaults);
    expect(Object.keys(table(replyCache)).sort()).toEqual(
      options("src/call/reply-cache.ts", "ReplyStoreLimits").sort(),
    );
  });

  it("lists every limit of the client, with the default that the code has", () => {
    expect(table(client)).toEqual({
      pendingCallsMax,
      queueBytesMax,
      datagramWindow: datagramWindow.calls,
      datagramSizeMax,
      recordSizeMax,
      fragmentsMax: recordFragmentsMax,
      timeoutMs: timeoutMsDefault,
      connectTimeoutMs: connectTimeoutMsDefault,
      ...callbackLimits,
    });
    const limits = /(Max|Window|imeoutMs)$/;
    const named = [
      ...options("src/onc/channel.ts", "OncClientOptions"),
      ...options("src/onc/callbacks.ts", "CallbackServingOptions"),
    ].filter((name) => limits.test(name));
    // How long a silent peer may take to say that it is there is no limit on what it may send.
    expect(Object.keys(table(client)).sort()).toEqual(named.filter((name) => name !== "probeTimeoutMs").sort());
  });

  it("lists every limit of the XML-RPC server, with the default that the code has", () => {
    const { bodySizeMax, ...others } = exchangeLimitDefaults;
    const listed = table(section("The XML-RPC server"));
    expect(listed).toEqual({ documentSizeMax: bodySizeMax, ...others, ...runningDefaults });
    expect(limitDefaults.documentSizeMax).toBe(bodySizeMax);
    const named = [
      ...options("src/net/exchange-limits.ts", "ExchangeLimits").filter((name) => name !== "bodySizeMax"),
      ...options("src/xmlrpc/server-options.ts", "XmlRpcServerLimits"),
      "documentSizeMax",
    ];
    expect(Object.keys(listed).sort()).toEqual(named.sort());
  });

  it("lists every limit of the XML-RPC client, with the default that the code has", () => {
    const listed = table(section("The XML-RPC client"));
    expect(listed).toEqual({
      timeoutMs: timeoutMsDefault,
      connectTimeoutMs: connectTimeoutMsDefault,
      exchangesMax,
      pendingCallsMax: xmlRpcPendingCallsMax,
      queueBytesMax: xmlRpcQueueBytesMax,
      idleMs: idleMsDefault,
    });
    const limits = /(Max|Ms)$/;
    const named = [
      ...options("src/xmlrpc/channel.ts", "XmlRpcClientOptions"),
      ...options("src/xmlrpc/transport-options.ts", "TransportOptions"),
    ].filter((name) => limits.test(name));
    expect(Object.keys(listed).sort()).toEqual(named.sort());
  });

  it("lists every limit of XML-RPC's documents, with the default that the code has", () => {
    const [, section = ""] = page.split(/^## Documents of XML-RPC$/m);
    expect(table(section.split(/^## /m)[0] ?? "")).toEqual(limitDefaults);
  });

  it.each([
    [
      `at most ${attributesMax} attributes, a number or a date at most ${scalarLengthMax.toLocaleString("en")} characters`,
    ],
    [`follows at most ${redirectsMax} redirects`],
    [`up to ${drainedBytes.toLocaleString("en")} bytes, and ${shownBytes} of them are kept`],
    [`at most ${cookiesMax} are kept, of ${cookieSizeMax.toLocaleString("en")} characters each`],
    [`sends up to ${aheadMax.toLocaleString("en")} bytes ahead`],
    [`comes within ${prologSizeMax.toLocaleString("en")} characters`],
    [`deeper than ${depthMaxDefault} levels`],
    [`more than ${emptyElementsMax.toLocaleString("en")} elements`],
    [`tried ${retryAttempts} times (\`retry.attempts\`)`],
    [`repeat ${retryBudgetDefaults.tokens} and a tenth of the calls they make (\`retry.budget\`)`],
    [`sent at most ${hedgesMax} time more (\`hedge.max\`)`],
    [`at most ${datagramWindow.bytes.toLocaleString("en")} bytes together`],
  ])("says %s", (text) => {
    expect(page.replaceAll("\n", " ")).toContain(text);
  });
});
