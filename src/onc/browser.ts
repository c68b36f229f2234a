/**
 * What `farcall/onc` is in a browser: what stubs that `farcall gen` emits import. Programs are described there, and called
 * over XML-RPC.
 *
 * @module
 */
export type {
  Client,
  Handlers,
  NullProcedure,
  OneWayProcedure,
  Procedure,
  ReportingProcedure,
} from "../model/index.js";
export { type OncProcedure, type OncService, oncProgram } from "./program.js";
export { type Onc, onc } from "./protocol.js";
