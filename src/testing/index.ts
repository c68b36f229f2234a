/**
 * A simulated world for clients and servers: a network, clocks and chance that follow from a seed, faults of every kind,
 * and checkers of the guarantees.
 *
 * @module
 */
export { allFaultKinds, type FaultCounts, type FaultKind, faultKinds } from "./faults.js";
export { type FaultyOptions, type FaultyRoute, faulty } from "./faulty.js";
export type { CallRecord, Ending, ExecutionRecord, History, Rule, Violation } from "./history.js";
export type { CallPlace } from "./plan.js";
export type { Random } from "./random.js";
export { type ServerWorld, SimulatedFailure } from "./servers.js";
export { type SimulationOptions, type SimulationReport, type SimulationViolation, simulate } from "./simulate.js";
export type { SimulatedTransaction } from "./store.js";
