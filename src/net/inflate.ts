import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import { RequestError, tooLarge } from "./request-reader.js";

const unzip = { gzip: promisify(gunzip), "x-gzip": promisify(gunzip), deflate: promisify(inflate) } as const;

/** Whether a content encoding has to be undone. */
export function isEncoded(encoding: string | undefined): encoding is string {
  return encoding !== undefined && encoding.trim().toLowerCase() !== "identity" && encoding.trim() !== "";
}

/**
 * Undoes a body's content encoding. No more than the limit is ever inflated.
 *
 * @throws RequestError for an encoding that is not known, bytes that are not of it, and a body over the limit
 */
export async function inflateBody(body: Uint8Array, encoding: string, sizeMax: number): Promise<Uint8Array> {
  const name = encoding.trim().toLowerCase();
  if (!Object.hasOwn(unzip, name)) {
    throw new RequestError(415, `the content encoding ${name} is not known here; gzip and deflate are`);
  }
  try {
    // A bomb in pieces of Node's usual 16 KB would take five times the processor time that its bytes do.
    const chunkSize = body.length < 4_096 ? 16_384 : 131_072;
    return await unzip[name as keyof typeof unzip](body, { maxOutputLength: sizeMax, chunkSize });
  } catch (error) {
    if ((error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(sizeMax);
    throw new RequestError(400, `the body is not ${name}`);
  }
}
