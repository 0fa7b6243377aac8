import type { LogitAdjustments } from "../core/sampling.ts";

/** What a slot asks, and what occurred in its sequence so far, the token fed included. */
export interface AdjustCase extends LogitAdjustments {
  promptIds: readonly number[];
  generatedIds: readonly number[];
  /** Ids that are allowed; null allows all. */
  allowedIds: ReadonlySet<number> | null;
}

/** Reference of `shaders/logits_adjust/row.wgsl` for one row. `logits` is `[vocabSize]`. */
export function logitsAdjustReference(logits: Float32Array, asked: AdjustCase): Float64Array {
  const { repetitionPenalty, frequencyPenalty, presencePenalty } = asked;
  const result = Float64Array.from(logits);
  for (const id of new Set([...asked.promptIds, ...asked.generatedIds])) {
    result[id] = result[id] > 0 ? result[id] / repetitionPenalty : result[id] * repetitionPenalty;
  }
  for (const id of asked.generatedIds) result[id] -= frequencyPenalty;
  for (const id of new Set(asked.generatedIds)) result[id] -= presencePenalty;
  result.forEach((_, id) => {
    if (asked.allowedIds?.has(id) === false) result[id] = -3.4028234e38;
  });
  for (const [id, bias] of asked.logitBias) result[id] += bias;
  return result;
}
