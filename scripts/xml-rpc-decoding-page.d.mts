import type { DecodingCase } from "../test/support/xml-rpc-cases.js";

export function page(cases: readonly DecodingCase[]): string;
