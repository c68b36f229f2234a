import { AuthFlavor, authNone, type CallHeader, type OpaqueAuth } from "../message.js";
import { AuthStat } from "../status.js";
import type { AuthVerdict, ClientAuth, ServerAuth } from "./auth.js";
import { clientAuthNone } from "./none.js";

// AUTH_TLS: RFC 9289, section 4.1. A NULL call with this flavor asks whether the server speaks TLS; the verifier of
// its reply says so in eight letters, and the next bytes on the connection are the client's TLS handshake.

const startTls = Uint8Array.from("STARTTLS", (letter) => letter.charCodeAt(0));

/** The flavor of the call that asks for TLS. */
export function clientAuthTls(): ClientAuth {
  const credential: OpaqueAuth = { flavor: AuthFlavor.AUTH_TLS, body: new Uint8Array(0) };
  return { ...clientAuthNone(), name: "AUTH_TLS", credential: () => credential, accepted: saysStartTls };
}

function saysStartTls({ flavor, body }: OpaqueAuth): boolean {
  return (
    flavor === AuthFlavor.AUTH_NONE &&
    body.length === startTls.length &&
    startTls.every((letter, index) => letter === body[index])
  );
}

const agreed: AuthVerdict = {
  identity: { flavor: "tls", verified: false },
  verifier: { flavor: AuthFlavor.AUTH_NONE, body: startTls },
  upgrade: true,
};

/** Agrees to TLS where the stream can have it and does not have it yet. */
export const serverAuthTls: ServerAuth = {
  flavor: AuthFlavor.AUTH_TLS,
  authenticate(call: CallHeader, { upgradable }): AuthVerdict {
    const wellFormed = call.procedure === 0 && call.credential.body.length === 0 && call.verifier === authNone;
    return upgradable && wellFormed ? agreed : { denied: AuthStat.AUTH_BADCRED };
  },
};
