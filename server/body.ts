/**
 * The bytes of a request's body, counted while they come: it may announce no length.
 *
 * @module
 */

import type { Context, MiddlewareHandler } from "hono";
import { ApiError } from "./openai/errors.ts";

function refuseEncoding(encoding: string): never {
  const message = `Cannot read a body with Content-Encoding: ${encoding}: send it uncompressed`;
  throw new ApiError(415, message, { code: "unsupported_content_encoding" });
}

function refuseSize(sizeBytesMax: number): never {
  const message = `Cannot accept the body: it is over ${sizeBytesMax} bytes`;
  throw new ApiError(413, message, { code: "body_too_large" });
}

async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch {
    const options = { code: "incomplete_body" };
    throw new ApiError(400, "Cannot read the body: the connection ended before it did", options);
  }
}

async function readBytes(context: Context, sizeBytesMax: number): Promise<ArrayBuffer> {
  if (Number(context.req.header("Content-Length") ?? 0) > sizeBytesMax) refuseSize(sizeBytesMax);
  const { body } = context.req.raw;
  if (body === null) return new ArrayBuffer(0);
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of chunksOf(body)) {
    sizeBytes += chunk.length;
    if (sizeBytes > sizeBytesMax) refuseSize(sizeBytesMax);
    chunks.push(chunk);
  }
  return await new Blob(chunks as BlobPart[]).arrayBuffer();
}

/**
 * Reads the body before the handler, which gets it from `context.req` as if it had read it.
 *
 * @param sizeBytesMax More is answered with 413; a compressed body with 415, one whose client goes
 * before it is whole with 400.
 */
export function readBody(sizeBytesMax: number): MiddlewareHandler {
  return async (context, next) => {
    const encoding = context.req.header("Content-Encoding")?.trim().toLowerCase() ?? "";
    if (encoding !== "" && encoding !== "identity") refuseEncoding(encoding);
    const bytes = await readBytes(context, sizeBytesMax);
    // The cache holds promises, contrary to its type. A new Request cannot carry the bytes: the
    // adapter's object is not a Request.
    Object.assign(context.req.bodyCache, { arrayBuffer: Promise.resolve(bytes) });
    await next();
  };
}
