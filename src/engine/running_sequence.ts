import { needsCounts } from "../core/sampling.ts";
import type { PrefillSlice } from "../scheduler/step_plan.ts";
import type { ScoredRows, SliceOptions } from "../model/forward_graph.ts";
import type { FinalNorm } from "../runtime/load.ts";
import type { SamplingExtras } from "../model/sampler.ts";
import type { GenerateMessage } from "./messages.ts";
import { Pool } from "./pooling.ts";
import { TokenMask } from "../grammar/token_mask.ts";
import type { FinishReason, GenerateEvent, KeptPrompt, TokenLogprobs } from "./types.ts";

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

  /** Of its prompt; null if no vector of it is wanted. */
  readonly #pool: Pool | null;

  constructor(request: GenerateMessage, finalNorm: FinalNorm) {
    this.request = request;
    const { grammar, pooling } = request;
    this.#pool = pooling && new Pool(pooling, finalNorm);
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

  /** The rows of a slice that are to be pooled; null if none are. */
  pooledRows(
    { position, ids, isComplete }: PrefillSlice,
  ): NonNullable<SliceOptions["hidden"]> | null {
    const { pooling, promptIds } = this.request;
    if (pooling === null || !isComplete) return null;
    const count = Math.min(ids.length, promptIds.length - position);
    if (pooling === "mean") return count > 0 ? { first: 0, count } : null;
    return position + count === promptIds.length ? { first: count - 1, count: 1 } : null;
  }

  /** Pools rows of a slice; the event with the vector, once the prompt ends with the last one. */
  pooled(position: number, rows: Float32Array): GenerateEvent | null {
    if (this.#pool === null || rows.length === 0) return null;
    this.#pool.add(position, rows);
    const isWhole = this.#pool.position === this.request.promptIds.length;
    return isWhole ? { type: "embedding", values: this.#pool.values() } : null;
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

  /** The event that ends the sequence, from the scheduler's. */
  finish(
    { reason, cachedTokenCount, endId }: {
      reason: FinishReason;
      cachedTokenCount: number;
      endId?: number;
    },
    kept: KeptPrompt | null,
  ): GenerateEvent {
    const startedMs = this.#startedMs ?? this.#admittedMs;
    const firstTokenMs = this.#firstTokenMs ?? performance.now();
    return {
      type: "finish",
      reason,
      promptTokenCount: this.request.promptIds.length,
      completionTokenCount: this.#tokenCount,
      ...(endId === undefined ? {} : { endId }),
      cachedTokenCount,
      ...(kept ? { kept } : {}),
      timings: {
        queueMs: this.queueMs,
        prefillMs: firstTokenMs - startedMs,
        decodeMs: performance.now() - firstTokenMs,
      },
    };
  }
}

/**
 * Whether guesses of next tokens can be checked: penalties depend on how often each token came
 * before, and log-probabilities are reported for one row of a sequence.
 */
export function canSpeculate({ speculates, adjustments, logprobs }: GenerateMessage): boolean {
  const isCounted = adjustments !== null && needsCounts(adjustments);
  return speculates && !isCounted && logprobs === null;
}
