/**
 * Who may ask: bearer keys, and whether an address may be bound without one.
 *
 * @module
 */

import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { ApiError } from "./openai/errors.ts";

function digest(key: string): Uint8Array {
  return createHash("sha256").update(key).digest();
}

/**
 * Lets a request pass only with `Authorization: Bearer <one of keys>`, or with `x-api-key`, as
 * Anthropic's clients have it.
 *
 * Digests are compared, all of them each time, so that the time reveals neither length nor prefix.
 *
 * @param keys Accepted keys; empty lets everything pass.
 */
export function requireKey(keys: readonly string[]): MiddlewareHandler {
  const digests = keys.map(digest);
  return async (context, next) => {
    if (digests.length > 0) {
      const match = /^Bearer\s+(.+)$/i.exec(context.req.header("Authorization") ?? "");
      const key = match?.[1].trim() ?? context.req.header("x-api-key");
      const given = digest(key ?? "");
      const hits = digests.filter((known) => timingSafeEqual(known, given));
      if (key === undefined || hits.length === 0) {
        const state = key === undefined ? "no bearer key was given" : "the bearer key is not known";
        throw new ApiError(401, `Cannot answer: ${state}`, { code: "invalid_api_key" });
      }
    }
    await next();
  };
}

/** Whether `hostname` can be reached from this machine only. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/**
 * Checks that a server without a key stays on this machine.
 *
 * @throws {TypeError} If `hostname` is not a loopback address, there is no key, and `insecure` is
 * false.
 */
export function checkBind(
  hostname: string,
  options: { keyCount: number; insecure: boolean },
): void {
  if (isLoopback(hostname) || options.keyCount > 0 || options.insecure) return;
  throw new TypeError(
    `Cannot listen on ${hostname}: others could use the server without a key; ` +
      "give --api-key, or --insecure to allow it",
  );
}
