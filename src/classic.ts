/**
 * The classic face of ONC RPC, as in C's `<rpc/rpc.h>`: `registerrpc`, `svc_run` and `callrpc`, over UDP and through
 * the port mapper.
 *
 * @module
 */
import { registerAll } from "./binder/rpcbind/registration.js";
import { rpcbindResolver } from "./binder/rpcbind/resolver.js";
import { type Classic, classicFace } from "./onc/classic.js";

export type { Classic, ClassicResult } from "./onc/classic.js";

const classic: Classic = classicFace({
  resolver: rpcbindResolver,
  register: async (service, address) => {
    await registerAll([service], [address]);
  },
});

export const registerrpc: Classic["registerrpc"] = classic.registerrpc;
export const callrpc: Classic["callrpc"] = classic.callrpc;
export const svc_run: Classic["svc_run"] = classic.svc_run;
export const svc_exit: Classic["svc_exit"] = classic.svc_exit;
