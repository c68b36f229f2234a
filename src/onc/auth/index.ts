export type { AuthAccepted, AuthenticatedBytes, AuthVerdict, ClientAuth, ServerAuth } from "./auth.js";
export { clientAuthNone, serverAuthNone } from "./none.js";
export {
  type AuthSysIdentity,
  type AuthSysParams,
  clientAuthSys,
  type ServerAuthSysOptions,
  serverAuthSys,
} from "./sys.js";
export { clientAuthTls, serverAuthTls } from "./tls.js";
