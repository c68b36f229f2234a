// What is fuzzed: for each target how an input is made, and what must hold for any input at all.
import type { Target } from "./target.js";
import { binderTarget } from "./targets/binder.js";
import { clientTargets } from "./targets/client-engines.js";
import { decoderTargets } from "./targets/decoders.js";
import { httpRequests } from "./targets/http.js";
import { recordMarking } from "./targets/record-marking.js";
import { serverTargets } from "./targets/server-engines.js";
import { addresses, compiler } from "./targets/text.js";
import { xmlRpc } from "./targets/xml-rpc.js";

export const targets: readonly Target[] = [
  ...decoderTargets,
  recordMarking,
  ...clientTargets,
  ...serverTargets,
  binderTarget,
  xmlRpc,
  httpRequests,
  compiler,
  addresses,
];
