import { getSystemErrorMap } from "node:util";
import { RpcError } from "../../model/index.js";

/** A failure in the words of C's library, such as `RPC: Remote system error - Connection refused`. */
export function failureText(error: unknown): string {
  if (!(error instanceof RpcError)) return systemText(error);
  const { status, cause, message } = error;
  if (status === undefined) return message;
  // What asked for the address says the same as what asked rpcbind.
  if (cause instanceof RpcError && cause.status?.number === status.number) return failureText(cause);
  const parts = [status.text];
  if (status.low !== undefined) parts.push(`; low version = ${status.low}, high version = ${status.high}`);
  if (status.why !== undefined) parts.push(`; why = ${status.why.text}`);
  if (cause !== undefined) parts.push(` - ${failureText(cause)}`);
  return parts.join("");
}

function systemText(error: unknown): string {
  const { errno } = error as NodeJS.ErrnoException;
  const text = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1];
  if (text === undefined) return error instanceof Error ? error.message : String(error);
  // strerror(3) begins with a capital.
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
