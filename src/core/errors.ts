/**
 * The three kinds of failure of this project: a wrong argument is a built-in `TypeError` or
 * `RangeError`; an operating failure is an {@link EngineError} with a code from a closed set; a
 * broken assumption is an {@link invariant}, which no code catches.
 *
 * @module
 */

/**
 * Every operating failure the engine can report. HTTP statuses are assigned in
 * `server/openai/errors.ts`.
 */
export type EngineErrorCode =
  | "invalid_request"
  | "context_length_exceeded"
  | "queue_full"
  | "cache_exhausted"
  | "model_file_invalid"
  | "model_unsupported"
  | "model_too_large"
  | "adapter_missing"
  | "adapter_unsupported"
  | "out_of_memory"
  | "storage_full"
  | "storage_failed"
  | "device_lost"
  | "gpu_validation"
  | "non_finite_values"
  | "aborted"
  | "deadline_exceeded"
  | "shutting_down";

/** An operating failure with a code callers may act on. */
export class EngineError extends Error {
  /** `EngineError`. */
  override name = "EngineError";
  /** What failed, from a closed set. */
  readonly code: EngineErrorCode;
  /** The request field at fault, if one is. */
  readonly param: string | null;
  /** Of `context_length_exceeded`: what a text takes at least; null where nobody counted. */
  readonly tokenCount: number | null;

  /**
   * Makes an error.
   *
   * @param code What failed.
   * @param message Action, then state: "Cannot X: Y".
   * @param options `param` names the request field at fault; `tokenCount` is what a text takes
   * at least; `cause` is the error behind this one.
   */
  constructor(
    code: EngineErrorCode,
    message: string,
    options: { param?: string; tokenCount?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.param = options.param ?? null;
    this.tokenCount = options.tokenCount ?? null;
  }
}

/** Throws if `condition` does not hold; `claim` states what must be true, positively. */
export function invariant(condition: unknown, claim: string): asserts condition {
  if (!condition) throw new Error(`Invariant broken: ${claim}`);
}
