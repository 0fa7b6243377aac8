/**
 * What came of one request.
 *
 * @module
 */

/** Why a request failed, beside `http_` and a status. */
export type FailureKind =
  | "connection"
  | "stream_error"
  | "stream_cut"
  | "bad_chunk"
  | "no_usage"
  | "timeout"
  | "interrupted"
  | `http_${number}`;

/** A request that was answered to the end. Times are of `performance.now()`. */
export interface Completed {
  type: "completed";
  startMs: number;
  /** When each chunk with text came. */
  textTimesMs: readonly number[];
  endMs: number;
  /** Of the stream's usage. */
  promptTokenCount: number;
  cachedTokenCount: number;
  completionTokenCount: number;
}

/** A request that was not. */
export interface Failed {
  type: "failed";
  startMs: number;
  endMs: number;
  kind: FailureKind;
  message: string;
}

/** Either. */
export type Outcome = Completed | Failed;

/** A failure of one request; becomes {@link Failed}. */
export class RequestError extends Error {
  override name = "RequestError";
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** A run that cannot begin: no server, no model, or answers that cannot be measured. */
export class LoadError extends Error {
  override name = "LoadError";
}
