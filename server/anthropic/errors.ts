/**
 * Failures as Anthropic's clients read them.
 *
 * @module
 */

import type { Context } from "hono";
import { answerError, ContextLengthError, toErrorAnswer } from "../openai/errors.ts";
import { idOf } from "../request_id.ts";

const TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
  504: "timeout_error",
};

/** Whether a path is one of this interface. */
export function isMessagesPath(path: string): boolean {
  return /^(?:\/v1)?\/messages(?:\/|$)/.test(path);
}

/** Anthropic's words: clients read the numbers, and make their conversation shorter. */
function tooLong({ sizes: { promptTokenCount, contextLength } }: ContextLengthError): string {
  return `prompt is too long: ${promptTokenCount} tokens > ${contextLength} maximum`;
}

/** The status and body with which a client gets `error`. */
export function toMessageError(
  error: unknown,
  requestId: string | null,
): { status: number; body: object } {
  const { status, body } = toErrorAnswer(error);
  const type = TYPES[status] ?? (status >= 500 ? "api_error" : "invalid_request_error");
  const message = error instanceof ContextLengthError ? tooLong(error) : body.error.message;
  return { status, body: { type: "error", error: { type, message }, request_id: requestId } };
}

/** The app's error handler: in the protocol of the path. */
export function answerFailure(error: unknown, context: Context): Response {
  if (!isMessagesPath(context.req.path)) return answerError(error, context);
  return answerError(error, context, (each) => toMessageError(each, idOf(context) ?? null));
}
