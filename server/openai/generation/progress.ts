/**
 * How far one generation has come.
 *
 * @module
 */

import type { GenerateEvent } from "../../../src/engine/types.ts";
import type { GenerationObserver, GenerationTimings } from "./observer.ts";

/** The clock and counts of one generation, by this side: for one that does not reach its end. */
export class Progress {
  readonly #promptTokenCount: number;
  readonly #startMs = performance.now();
  #queueMs: number | null = null;
  #cachedTokenCount = 0;
  #lastTokenMs = this.#startMs;
  #firstTokenMs: number | null = null;
  completionTokenCount = 0;
  reasoningTokenCount = 0;

  constructor(promptTokenCount: number) {
    this.#promptTokenCount = promptTokenCount;
  }

  get elapsedMs(): number {
    return performance.now() - this.#startMs;
  }

  /** Notes that prefill continues. */
  notePrefill(event: Extract<GenerateEvent, { type: "prefill" }>): void {
    this.#cachedTokenCount = event.cachedTokenCount;
    this.#queueMs = event.queueMs;
  }

  countToken(observer: GenerationObserver, isReasoning: boolean): void {
    const nowMs = performance.now();
    observer.token(nowMs - this.#lastTokenMs, this.#firstTokenMs === null);
    this.#firstTokenMs ??= nowMs;
    this.#lastTokenMs = nowMs;
    this.completionTokenCount++;
    if (isReasoning) this.reasoningTokenCount++;
  }

  /** Timings up to now; without any progress all of the time was spent waiting. */
  timings(): GenerationTimings {
    const nowMs = performance.now();
    const firstTokenMs = this.#firstTokenMs ?? nowMs;
    const queueMs = Math.min(this.#queueMs ?? Infinity, firstTokenMs - this.#startMs);
    return {
      promptTokenCount: this.#promptTokenCount,
      completionTokenCount: this.completionTokenCount,
      reasoningTokenCount: this.reasoningTokenCount,
      cachedTokenCount: this.#cachedTokenCount,
      queueMs,
      prefillMs: firstTokenMs - this.#startMs - queueMs,
      decodeMs: nowMs - firstTokenMs,
    };
  }
}
