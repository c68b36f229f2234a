import { RpcError } from "farcall";

/** The error that a call fails with. Rejects when it does not fail, or fails with anything else. */
export async function failureOf(call: Promise<unknown>): Promise<RpcError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof RpcError) return error;
    throw error;
  }
  throw new Error("the call did not fail");
}
