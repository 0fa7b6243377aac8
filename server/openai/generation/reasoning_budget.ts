/**
 * Ends thoughts that take too long: the mark behind them is put where the model would go on.
 *
 * @module
 */

import type { Engine, GenerateEvent, GenerateRequest } from "../../../src/engine/types.ts";

/** How long a model may think. */
export interface ReasoningLimit {
  /** Most tokens of thoughts. */
  tokenCountMax: number;
  /** Tokens that end them. */
  closingIds: readonly number[];
  /** Whether what was given so far ends within thoughts. */
  isReasoning: () => boolean;
}

/** What a limited generation gives: events of the engine, and tokens that were not sampled. */
export type LimitedEvent = GenerateEvent | { type: "forced"; ids: readonly number[] };

type FinishEvent = Extract<GenerateEvent, { type: "finish" }>;

/** Counts and times of two generations of which the second goes on where the first was left. */
function joined(
  finish: FinishEvent,
  first: { promptTokenCount: number; sampledCount: number; cachedTokenCount: number },
): FinishEvent {
  return {
    ...finish,
    promptTokenCount: first.promptTokenCount,
    cachedTokenCount: first.cachedTokenCount,
    completionTokenCount: first.sampledCount + finish.completionTokenCount,
  };
}

/**
 * Generates, and goes on behind the thoughts once they have taken as many tokens as they may. The
 * second generation finds the first in the cache of prefixes, as far as it was kept.
 */
export async function* generateLimited(
  engine: Engine,
  request: GenerateRequest,
  limit: ReasoningLimit | null,
): AsyncGenerator<LimitedEvent> {
  if (limit === null) return yield* engine.generate(request);
  const sampled: number[] = [];
  let reasoningCount = 0;
  let cachedTokenCount = 0;
  const { promptIds, maxTokens, grammar } = request;
  const isAtLimit = () => limit.isReasoning() && reasoningCount >= limit.tokenCountMax;
  if (!isAtLimit()) {
    for await (const event of engine.generate(request)) {
      if (event.type === "prefill") cachedTokenCount = event.cachedTokenCount;
      yield event;
      if (event.type === "finish") return;
      if (event.type !== "token") continue;
      sampled.push(event.id);
      if (limit.isReasoning()) reasoningCount++;
      if (isAtLimit() && sampled.length < maxTokens) break;
    }
  }
  yield { type: "forced", ids: limit.closingIds };
  const { promptLogprobs: _, ...rest } = request;
  const behind = grammar && { ...grammar, reasoning: null };
  const events = engine.generate({
    ...rest,
    promptIds: [...promptIds, ...sampled, ...limit.closingIds],
    maxTokens: Math.max(1, maxTokens - sampled.length - limit.closingIds.length),
    ...(behind === undefined ? {} : { grammar: behind }),
  });
  const first = {
    promptTokenCount: promptIds.length,
    sampledCount: sampled.length,
    cachedTokenCount,
  };
  for await (const event of events) {
    if (event.type === "finish") yield joined(event, first);
    else if (event.type !== "prefill" || sampled.length === 0) yield event;
  }
}
