/**
 * Failures as HTTP answers: the only place that knows a status.
 *
 * @module
 */

import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { EngineError, type EngineErrorCode } from "../../src/core/errors.ts";

/** Status of each engine failure. */
export const STATUS_BY_CODE = {
  invalid_request: 400,
  context_length_exceeded: 400,
  queue_full: 429,
  cache_exhausted: 429,
  model_file_invalid: 503,
  model_unsupported: 503,
  model_too_large: 503,
  adapter_missing: 503,
  adapter_unsupported: 503,
  out_of_memory: 503,
  storage_full: 507,
  storage_failed: 500,
  device_lost: 503,
  gpu_validation: 500,
  non_finite_values: 500,
  aborted: 499,
  deadline_exceeded: 504,
  shutting_down: 503,
} as const satisfies Record<EngineErrorCode, number>;

const RETRY_AFTER_SECONDS = 1;

/** Body of every error answer. */
export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null };
}

/** A failure of one HTTP request that is not the engine's. */
export class ApiError extends Error {
  override name = "ApiError";
  /** HTTP status, 400 to 599. */
  readonly status: number;
  /** The request field at fault, as `messages[0].content`. */
  readonly param: string | null;
  /** OpenAI's word for the kind of fault. */
  readonly code: string | null;

  /**
   * @param status HTTP status, 400 to 599.
   * @param message Action, then state: "Cannot X: Y".
   * @param options `param` names the field at fault, `code` the kind of fault.
   */
  constructor(
    status: number,
    message: string,
    options: { param?: string | null; code?: string | null } = {},
  ) {
    super(message);
    this.status = status;
    this.param = options.param ?? null;
    this.code = options.code ?? null;
  }
}

/** A prompt that does not fit the context, with or without what is to follow it. */
export class ContextLengthError extends ApiError {
  override name = "ContextLengthError";

  /**
   * @param message Has all numbers.
   * @param sizes `promptTokenCount` is the least that the prompt can take.
   */
  constructor(
    message: string,
    param: string,
    readonly sizes: { promptTokenCount: number; contextLength: number },
  ) {
    super(400, message, { param, code: "context_length_exceeded" });
  }
}

function typeOfStatus(status: number): string {
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

/** Fields of requests by the engine's options, where they are in an object of their own. */
const FIELDS: Readonly<Record<string, string>> = { keep: "kv.keep", read: "kv.read" };

function describe(error: unknown): Omit<ErrorBody["error"], "type"> & { status: number } {
  if (error instanceof ApiError) {
    const { status, message, param, code } = error;
    return { status, message, param, code };
  }
  if (error instanceof EngineError) {
    const { message, code } = error;
    const param = error.param === null ? null : FIELDS[error.param] ?? error.param;
    return { status: STATUS_BY_CODE[code], message, param, code };
  }
  if (error instanceof HTTPException) {
    return { status: error.status, message: error.message, param: null, code: null };
  }
  // What an unexpected error says may hold paths or prompts: it goes to the log, not to the client.
  console.error("Unexpected error while answering a request:", error);
  const message = "Cannot answer: internal error, see the server's log";
  return { status: 500, message, param: null, code: "internal_error" };
}

/** The status and body with which a client gets `error`. */
export function toErrorAnswer(error: unknown): { status: number; body: ErrorBody } {
  const { status, message, param, code } = describe(error);
  return { status, body: { error: { message, type: typeOfStatus(status), param, code } } };
}

/** Writes failures for paths of another protocol. */
export type ErrorWriter = (error: unknown, context: Context) => { status: number; body: object };

/** Answers with `error`: the app's one error handler. */
export function answerError(
  error: unknown,
  context: Context,
  write: ErrorWriter = toErrorAnswer,
): Response {
  const { status, body } = write(error, context);
  if (status === 401) context.header("WWW-Authenticate", "Bearer");
  if (status === 429) context.header("Retry-After", String(RETRY_AFTER_SECONDS));
  return context.json(body, status as ContentfulStatusCode);
}
