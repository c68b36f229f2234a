import { expect, it } from "vitest";
import { fuzz } from "./fuzz.js";

const seed = (Math.random() * 2 ** 32) >>> 0;

it(`a million damaged documents of XML-RPC are no crash, no hang and no waste (seed ${seed})`, {
  timeout: 1_800_000,
}, () => {
  const inputs = 1_000_000;
  expect(fuzz({ inputs, seed, only: "xml-rpc" })).toMatchObject({ inputs, failures: [] });
});
