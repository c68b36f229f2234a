import { describe, expect, it } from "vitest";
import { formatExchangeAddress, isExchangeAddress, parseExchangeAddress } from "../../src/net/exchange-address.js";

describe("an address of exchanges", () => {
  it.each([
    ["http://host/RPC2", { scheme: "http", host: "host", port: 80, target: "/RPC2" }],
    ["http://host", { scheme: "http", host: "host", port: 80, target: undefined }],
    ["https://host:8443/a/b?c=d&e", { scheme: "https", host: "host", port: 8443, target: "/a/b?c=d&e" }],
    ["http://127.0.0.1:0/RPC2", { host: "127.0.0.1", port: 0 }],
    ["http://[::1]:8000/", { host: "::1", port: 8000, target: "/" }],
    ["http://host?db=1", { target: "/?db=1" }],
    ["http://me:a%40b@host/", { host: "host", credentials: { user: "me", password: "a@b" } }],
    ["http://me@host/", { credentials: { user: "me", password: "" } }],
    [
      "http+unix:/run/supervisor.sock:/RPC2",
      { scheme: "http+unix", socketPath: "/run/supervisor.sock", target: "/RPC2" },
    ],
    ["http+unix:/run/supervisor.sock", { socketPath: "/run/supervisor.sock", target: undefined }],
    ["http+unix:///run/x.sock:/RPC2", { socketPath: "/run/x.sock", target: "/RPC2" }],
    ["scgi+unix:/run/a:b/c.sock:/RPC2", { scheme: "scgi+unix", socketPath: "/run/a:b/c.sock", target: "/RPC2" }],
    ["scgi://localhost:5000", { scheme: "scgi", host: "localhost", port: 5000, target: undefined }],
  ])("is taken apart: %s", (text, parts) => {
    expect(isExchangeAddress(text)).toBe(true);
    expect(parseExchangeAddress(text)).toMatchObject(parts);
  });

  it.each([
    ["http:host", /none of the known forms/],
    ["http://", /none of the known forms/],
    ["http://a b/", /none of the known forms/],
    ["ftp://host/", /none of the known forms/],
    ["http://host:99999/", /at most 65535/],
    ["http://host/a b", /percent-encoded/],
    ["http://host/a\r\nX: y", /percent-encoded/],
    ["http://host/é", /percent-encoded/],
    ["http://host/a#b", /fragment/],
    ["http://%zz@host/", /percent-encoded/],
    ["scgi://host/", /no usual port/],
    ["scgi://me@host:1/", /no user and password/],
    ["http+unix:run/x.sock", /none of the known forms/],
    ["http+unix:/run/\0:/RPC2", /NUL/],
  ])("is refused: %j", (text, why) => {
    expect(() => parseExchangeAddress(text)).toThrow(why);
  });

  it("does not show its password", () => {
    expect(() => parseExchangeAddress("http://me:secret@ho st/")).toThrow(/http:\/\/\.\.\.@ho st/);
    expect(formatExchangeAddress(parseExchangeAddress("http://me:secret@host/x"))).toBe("http://host/x");
  });

  it.each([
    ["http://host:80/x", "http://host/x"],
    ["https://host:443/", "https://host/"],
    ["https://[::1]:80/", "https://[::1]:80/"],
    ["http+unix:///run/x:/RPC2", "http+unix:/run/x:/RPC2"],
    ["scgi://h:5000", "scgi://h:5000"],
  ])("has one usual form: %s", (text, usual) => {
    expect(formatExchangeAddress(parseExchangeAddress(text))).toBe(usual);
  });
});
