// A process of the crash table's farcall: `node crash-table TIMEOUT_MS ROLE...`.
import { contenderWith } from "../../../crash-table/farcall.js";
import { play } from "../../../crash-table/process.js";

const [timeoutMs, ...role] = process.argv.slice(2);
await play(contenderWith({ timeoutMs: Number(timeoutMs) }), role);
