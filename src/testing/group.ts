import type { CallRecord, ExecutionRecord, Rule } from "./history.js";

/** A group of calls that cannot be told from one another, and what ran for them. */
export interface Group {
  readonly calls: CallRecord[];
  readonly executions: ExecutionRecord[];
}

/** Is told of a breach. */
export type Report = (rule: Rule, calls: readonly CallRecord[], message: string) => void;
