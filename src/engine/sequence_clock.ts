import type { FinishReason, GenerateEvent, SamplingOptions } from "./types.ts";

/** Times and counts of one sequence, from admission to its end. */
export class SequenceClock {
  readonly sampling: SamplingOptions;
  #promptTokenCount: number;
  #admittedMs = performance.now();
  #startedMs: number | null = null;
  #firstTokenMs: number | null = null;
  #tokenCount = 0;

  constructor(promptTokenCount: number, sampling: SamplingOptions) {
    this.#promptTokenCount = promptTokenCount;
    this.sampling = sampling;
  }

  /** Notes that prefill begins; after a preemption it begins again, the first time counts. */
  start(): void {
    this.#startedMs ??= performance.now();
  }

  /** Counts a sampled token. */
  countToken(): void {
    if (this.#tokenCount++ === 0) this.#firstTokenMs = performance.now();
  }

  /** The event that ends the sequence. */
  finish(reason: FinishReason, cachedTokenCount: number): GenerateEvent {
    const startedMs = this.#startedMs ?? this.#admittedMs;
    const firstTokenMs = this.#firstTokenMs ?? performance.now();
    return {
      type: "finish",
      reason,
      promptTokenCount: this.#promptTokenCount,
      completionTokenCount: this.#tokenCount,
      cachedTokenCount,
      timings: {
        queueMs: startedMs - this.#admittedMs,
        prefillMs: firstTokenMs - startedMs,
        decodeMs: performance.now() - firstTokenMs,
      },
    };
  }
}
