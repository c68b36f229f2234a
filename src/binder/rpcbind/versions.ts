import type { OncService } from "../../onc/program.js";
import { RpcbindV3, RpcbindV4, type RpcbindV3 as V3 } from "./rpcbind.js";

/** What versions 3 and 4 have in common, and farcall asks of either. */
export type RpcbindByAddress = Pick<V3, "set" | "unset" | "getaddr" | "dump">;

// A contract with fewer procedures is served by all that have them; only its overlays would be others.
/** Version 4 of rpcbind, as what it has in common with version 3. */
export const ByAddressV4: OncService<RpcbindByAddress> = RpcbindV4 as OncService<never>;
/** And version 3. */
export const ByAddressV3: OncService<RpcbindByAddress> = RpcbindV3 as OncService<never>;
