import { beforeAll, expect, it } from "vitest";
import { run } from "../support/processes.js";
import { buildExamples, exampleProgram } from "./built.js";

beforeAll(buildExamples, 120_000);

it("a long job survives SIGKILL of its client, of its server, and of both", { timeout: 120_000 }, async () => {
  const { code, stdout, stderr } = await run(process.execPath, [exampleProgram("render/main.js")]);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const numbers = [...stdout.matchAll(/event (\d+):/g)].map(([, number]) => Number(number));
  expect(numbers).toEqual(numbers.map((_, i) => i + 1));
  // A frame whose checkpoint was kept and whose progress was not is not rendered again.
  const frames = [...stdout.matchAll(/frame (\d+) of 40/g)].map(([, frame]) => Number(frame));
  expect(frames).toEqual([...new Set(frames)].sort((a, b) => a - b));
  expect(frames.at(-1)).toBe(40);
  expect(stdout).toMatch(/done, with \d+ starts\n$/);
});

it("the steps of both kinds of calls are printed in their order", { timeout: 60_000 }, async () => {
  const { code, stdout } = await run(process.execPath, [exampleProgram("render/steps.js")]);
  expect(code).toBe(0);
  const [, synchronous = "", asynchronous = ""] = stdout.split(/^An? .*call$/m);
  const steps = (text: string): number[] =>
    [...text.matchAll(/^(?:client|server) +(\d+) /gm)].map(([, number]) => Number(number)).sort((a, b) => a - b);
  expect(steps(synchronous)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(steps(asynchronous)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});
