import { simulate } from "farcall/testing";
import { ledgerSimulation } from "./ledger.js";
Error.stackTraceLimit = Number(process.env["STACK"] ?? 0);
const [histories = "1000", seed = "1", guarantee] = process.argv.slice(2);
const t = performance.now();
const report = await simulate({ ...ledgerSimulation(guarantee as never), histories: Number(histories), seed: Number(seed) });
const { violation, ...rest } = report;
console.log(rest, ((performance.now() - t) / rest.histories).toFixed(3), "ms per history");
if (violation) { console.log(violation.timeline); console.log(violation.seed, violation.broken); }
