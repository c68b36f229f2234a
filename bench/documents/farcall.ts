import { decodeResponse, encodeResponse } from "farcall/xmlrpc";
import type { DocumentContender } from "./structs.js";

export const documents: DocumentContender = {
  decode: (document) => (decodeResponse(document).value as unknown[]).length,
  encode: (value) => encodeResponse(value).length,
};
