import type { Contender } from "../contender.js";
import { contenderWith } from "./farcall.js";

/** Calls without a session, as any other client of ONC RPC makes them. A null call never has one. */
export const contender: Contender = contenderWith({ session: "off" }, ["struct"]);
