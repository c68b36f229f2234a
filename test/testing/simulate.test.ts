import { allFaultKinds, type History, simulate } from "farcall/testing";
import { describe, expect, it } from "vitest";
import { ledgerSimulation } from "../simulation/ledger.js";

/** Everything that a history says, as text. */
function textOf(history: History): string {
  return JSON.stringify({ ...history, values: [...history.values] }, (_key, value: unknown) =>
    value instanceof Error ? `${value.name}: ${value.message}` : value,
  );
}

describe("a simulation of the real client and server", () => {
  it("finds no history that breaks a guarantee, whatever goes wrong", async () => {
    const report = await simulate({ ...ledgerSimulation(), histories: 120, seed: 1 });
    expect(report.violation).toBeUndefined();
    expect(report).toMatchObject({ seed: 1, histories: 120, calls: 120 * 21 });
    // Kinds that are rare by nature need more histories.
    expect(allFaultKinds.filter((kind) => report.faults[kind] > 0).length).toBeGreaterThan(15);
  });

  it("is the same again for the same seed, byte for byte, whatever was simulated in between", async () => {
    const histories: string[][] = [[], []];
    const timelines: (string | undefined)[] = [];
    for (const texts of histories) {
      const check = (history: History): undefined => {
        texts.push(textOf(history));
      };
      await simulate({ ...ledgerSimulation(), histories: 40, seed: 700, check });
      const found = await simulate({
        ...ledgerSimulation(),
        histories: 1,
        seed: 700 + texts.length,
        check: () => "wanted",
      });
      timelines.push(found.violation?.timeline);
    }
    expect(histories[0]).toHaveLength(40);
    expect(histories[1]).toEqual(histories[0]);
    expect(new Set(histories[0]).size).toBe(40);
    expect(timelines[1]).toBe(timelines[0]);
  });
});
