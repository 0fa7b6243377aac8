/**
 * The name a request goes by in its answer, in the log and in traces: the caller's, or one of ours.
 *
 * @module
 */

import type { Context, MiddlewareHandler } from "hono";

const VARIABLE = "requestId";
/** Visible ASCII without quotes and backslashes, so that it is the same wherever it is written. */
const GIVEN_ID = /^[!#-[\]-~]{1,128}$/;

/** `X-Request-Id` of the caller if it is short and printable, else `req_` and 32 digits. */
function requestId(given: string | undefined): string {
  if (given !== undefined && GIVEN_ID.test(given)) return given;
  return `req_${crypto.randomUUID().replaceAll("-", "")}`;
}

/** Names each request, and says its name in the answer. */
export function nameRequests(): MiddlewareHandler {
  return async (context, next) => {
    const id = requestId(context.req.header("X-Request-Id"));
    context.set(VARIABLE, id);
    await next();
    context.header("X-Request-Id", id);
    // Anthropic's name for it.
    context.header("request-id", id);
  };
}

/** The id of the request that is being answered. */
export function idOf(context: Context): string {
  return context.get(VARIABLE);
}
