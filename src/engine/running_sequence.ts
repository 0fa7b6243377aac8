import type { PrefillSlice } from "../scheduler/step_plan.ts";
import type { ScoredRows } from "../model/forward_graph.ts";
import type { SamplingExtras } from "../model/sampler.ts";
import type { GenerateMessage } from "./messages.ts";
import { TokenMask } from "../grammar/token_mask.ts";
import type { FinishReason, GenerateEvent, TokenLogprobs } from "./types.ts";

/** What was asked of one sequence, and its times and counts, from admission to its end. */
export class RunningSequence {
  readonly request: GenerateMessage;
  #admittedMs = performance.now();
  #startedMs: number | null = null;
  #firstTokenMs: number | null = null;
  #tokenCount = 0;
  /** Prompt tokens whose log-probabilities were sent; the first one, which has none, counts. */
  #scoredTokenCount = 1;

  /** Tokens that its grammar allows next; null allows all. */
  readonly mask: TokenMask | null;

  constructor(request: GenerateMessage) {
    this.request = request;
    const { grammar } = request;
    this.mask = grammar && new TokenMask(grammar.port, grammar.shared);
  }

  /** How its tokens are chosen when it starts, or continues after a preemption. */
  extras(generatedIds: readonly number[]): SamplingExtras {
    const { adjustments, logprobs, promptIds } = this.request;
    const isMasked = this.mask !== null;
    return { adjustments, isMasked, topCount: logprobs, promptIds, generatedIds };
  }

  /** The rows of a slice whose next tokens are to be scored; null if none are. */
  scoredRows(slice: PrefillSlice): ScoredRows | null {
    const { promptLogprobs, promptIds } = this.request;
    const { position, ids } = slice;
    const nextIds = promptIds.slice(position + 1, position + 1 + ids.length);
    if (promptLogprobs === null || !slice.isComplete || nextIds.length === 0) return null;
    return { nextIds, topCount: promptLogprobs };
  }

  /** The event for scored rows of a slice; null if all were sent before it was preempted. */
  scored(position: number, entries: readonly TokenLogprobs[]): GenerateEvent | null {
    const sentCount = this.#scoredTokenCount - (position + 1);
    if (sentCount >= entries.length) return null;
    const event = {
      type: "prompt_logprobs" as const,
      position: this.#scoredTokenCount,
      entries: entries.slice(sentCount),
    };
    this.#scoredTokenCount += event.entries.length;
    return event;
  }

  /** Notes that prefill begins; after a preemption it begins again, the first time counts. */
  start(): void {
    this.#startedMs ??= performance.now();
  }

  /** From admission to the beginning of prefill; 0 before that. */
  get queueMs(): number {
    return (this.#startedMs ?? this.#admittedMs) - this.#admittedMs;
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
      promptTokenCount: this.request.promptIds.length,
      completionTokenCount: this.#tokenCount,
      cachedTokenCount,
      timings: {
        queueMs: this.queueMs,
        prefillMs: firstTokenMs - startedMs,
        decodeMs: performance.now() - firstTokenMs,
      },
    };
  }
}
