/** Figures of the contenders at a task, a number per round: by task, then by contender. */
export type Figures = Map<string, Map<string, number[]>>;

export function add(figures: Figures, task: string, contender: string, value: number): void {
  const row = figures.get(task) ?? new Map<string, number[]>();
  figures.set(task, row);
  row.set(contender, [...(row.get(contender) ?? []), value]);
}

export function median(values: readonly number[] | undefined): number | undefined {
  if (values === undefined || values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** Every other round goes the other way, so that nobody always runs after the same neighbour. */
export function turns<T>(list: readonly T[], round: number): readonly T[] {
  return round % 2 === 0 ? list : [...list].reverse();
}
