import { describe, expect, it } from "vitest";
import { isTraceparent } from "../../src/model/index.js";

// https://www.w3.org/TR/trace-context/#traceparent-header; the first is its own example.
const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const span = "00f067aa0ba902b7";

describe("isTraceparent", () => {
  it.each([
    ["the specification's example", `00-${trace}-${span}-01`],
    ["flags that are not known yet", `00-${trace}-${span}-ff`],
    ["a later version", `01-${trace}-${span}-00`],
    ["a later version that appends something", `cc-${trace}-${span}-00-what=the future-brings`],
  ])("takes %s", (_what, text) => {
    expect(isTraceparent(text)).toBe(true);
  });

  it.each([
    ["nothing", ""],
    ["upper case", `00-${trace.toUpperCase()}-${span}-01`],
    ["a trace of zeros", `00-${"0".repeat(32)}-${span}-01`],
    ["a span of zeros", `00-${trace}-${"0".repeat(16)}-01`],
    ["the version that does not exist", `ff-${trace}-${span}-01`],
    ["version 00 with something appended", `00-${trace}-${span}-01-more`],
    ["a later version that appends without a dash", `01-${trace}-${span}-01more`],
    ["a short trace", `00-${trace.slice(1)}-${span}-01`],
    ["a line break", `00-${trace}-${span}-01\n`],
    ["a line break in what is appended", `01-${trace}-${span}-01-a\nb`],
    ["more than anybody needs", `01-${trace}-${span}-01-${"x".repeat(256)}`],
  ])("refuses %s", (_what, text) => {
    expect(isTraceparent(text)).toBe(false);
  });
});
