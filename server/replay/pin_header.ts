/**
 * A header with which a client keeps its conversation in the cache.
 *
 * @module
 */

import type { Context } from "hono";
import { ApiError } from "../openai/errors.ts";

/** `on` keeps the conversation's blocks before those of others, `off` no longer. */
export const PIN_HEADER = "X-PackKV-Pin";

/**
 * Whether a request pins its conversation; null if it does not say.
 *
 * @throws {ApiError} 400 for any other value.
 */
export function readPins({ req }: Context): boolean | null {
  const value = req.header(PIN_HEADER);
  if (value === undefined) return null;
  if (value === "on" || value === "off") return value === "on";
  const message = `Cannot accept the header ${PIN_HEADER}: expected on or off`;
  throw new ApiError(400, message, { param: PIN_HEADER, code: "invalid_value" });
}
