import type { FinishReason, GenerateEvent, SamplingOptions } from "./types.ts";

/** Times and counts of one sequence, from admission to its end. */
export class SequenceClock {
  readonly sampling: SamplingOptions;
  #promptTokenCount: number;
  #slot = -1;
  #admittedMs = performance.now();
  #startedMs = 0;
  #firstTokenMs = 0;
  #tokenCount = 0;

  constructor(promptTokenCount: number, sampling: SamplingOptions) {
    this.#promptTokenCount = promptTokenCount;
    this.sampling = sampling;
  }

  /** Notes that the sequence runs in `slot`; true if that is new, so the slot must be set up. */
  start(slot: number): boolean {
    if (this.#slot === slot) return false;
    if (this.#slot === -1) this.#startedMs = performance.now();
    this.#slot = slot;
    return true;
  }

  /** Counts a sampled token. */
  countToken(): void {
    if (this.#tokenCount++ === 0) this.#firstTokenMs = performance.now();
  }

  /** The event that ends the sequence. */
  finish(reason: FinishReason): GenerateEvent {
    return {
      type: "finish",
      reason,
      promptTokenCount: this.#promptTokenCount,
      completionTokenCount: this.#tokenCount,
      timings: {
        queueMs: this.#startedMs - this.#admittedMs,
        prefillMs: this.#firstTokenMs - this.#startedMs,
        decodeMs: performance.now() - this.#firstTokenMs,
      },
    };
  }
}
