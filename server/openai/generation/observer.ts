/**
 * Who hears of generations, and the counts and times of one.
 *
 * @module
 */

import type { FinishReason, KeptPrompt } from "../../../src/engine/types.ts";

/** Counts and milliseconds of one generation. */
export interface GenerationTimings {
  promptTokenCount: number;
  completionTokenCount: number;
  /** Those of them that are thoughts, the marks around them included. */
  reasoningTokenCount: number;
  /** Prompt tokens that were in the cache. */
  cachedTokenCount: number;
  /** What stayed of its prompt once it was read; left out if all did. */
  kept?: KeptPrompt;
  queueMs: number;
  prefillMs: number;
  decodeMs: number;
}

/** Hears of the life of each generation; metrics are made of it. */
export interface GenerationObserver {
  /** A token came, `sinceMs` after the one before it or, if `isFirst`, after the request. */
  token(sinceMs: number, isFirst: boolean): void;
  /** The generation ended well. */
  finished(reason: FinishReason, elapsedMs: number, timings: GenerationTimings): void;
  /** The generation ended by an error, `aborted` if the client went, after `timings`. */
  failed(error: unknown, timings: GenerationTimings): void;
}
