import { describe } from "vitest";
import { MemoryRequestEngine } from "../../src/store/index.js";
import { requestEngineContract } from "./contract.js";

describe("requests in memory", () => {
  let last: MemoryRequestEngine;
  requestEngineContract(
    async (options, again) => {
      if (again !== true) last = new MemoryRequestEngine(options);
      return last;
    },
    { durable: false, shared: false },
  );
});
