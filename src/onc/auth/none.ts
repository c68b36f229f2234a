import type { Identity } from "../../model/index.js";
import { AuthFlavor, authNone, type CallHeader } from "../message.js";
import { AuthStat } from "../status.js";
import type { AuthVerdict, ClientAuth, ServerAuth } from "./auth.js";

// AUTH_NONE: RFC 5531, section 8.1. Nobody in particular calls.

const anonymous: Identity = { flavor: "none", verified: false };
const accepted: AuthVerdict = { identity: anonymous, verifier: authNone };

/** Calls as nobody in particular. */
export function clientAuthNone(): ClientAuth {
  return {
    name: "AUTH_NONE",
    constant: true,
    epoch: 0,
    credential: () => authNone,
    verifier: () => authNone,
    accepted: () => true,
    refused: () => false,
  };
}

/** Accepts callers that do not say who they are. */
export const serverAuthNone: ServerAuth = {
  flavor: AuthFlavor.AUTH_NONE,
  authenticate: (call: CallHeader): AuthVerdict =>
    // Some callers send AUTH_NONE with a body; RFC 5531 says that it should be empty.
    call.credential.body.length === 0 ? accepted : { denied: AuthStat.AUTH_BADCRED },
};
