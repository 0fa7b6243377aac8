/**
 * ChunkKV: runs of neighbouring tokens are kept or dropped together.
 *
 * Source: arXiv:2502.00299, section 3.1 and algorithm 1.
 *
 * @module
 */

import type { KeepMethod, PromptCounts, StoreScores } from "./method.ts";
import { droppableCount } from "./norm_loss.ts";

/** Its settings. */
export interface ChunkKvSettings {
  /** What stays of the prompt, window and sinks counted: a share, tokens, or what costs little. */
  budget: { ratio: number } | { tokens: number } | { lossMax: number };
  /** Tokens of a chunk. */
  chunkSize: number;
  /** Last queries whose attention ranks the chunks. */
  queryCount: number;
  /** First tokens that always stay. */
  sinkCount: number;
  /** Neighbouring stores that keep the same tokens. */
  storesTogether: number;
}

/** The method with settings; `id` says them. */
export function chunkKv(id: string, settings: ChunkKvSettings): KeepMethod {
  const { budget, queryCount, storesTogether } = settings;
  return {
    id,
    observation: {
      queryCount,
      storesTogether,
      needsSums: true,
      needsLastQuery: "lossMax" in budget,
      needsChannels: false,
    },
    needsAll: "lossMax" in budget,
    choose: (scores, counts) => chooseChunks(settings, scores, counts),
  };
}

function chooseChunks(
  settings: ChunkKvSettings,
  scores: StoreScores,
  counts: PromptCounts,
): number[] {
  const { promptTokenCount, sealedTokenCount } = counts;
  const sinkCount = Math.min(sealedTokenCount, Math.max(settings.sinkCount, counts.sinkCount));
  const chunks = rankedChunks(scores, { ...settings, sealedTokenCount });
  let keptCount: number;
  if ("lossMax" in settings.budget) {
    const withoutSinks = chunks.map(({ tokens }) => tokens.filter((token) => token >= sinkCount));
    const { lossMax } = settings.budget;
    keptCount = chunks.length -
      droppableCount(scores, withoutSinks.toReversed(), { tokenCount: promptTokenCount, lossMax });
  } else {
    const budget = "ratio" in settings.budget
      ? Math.floor(settings.budget.ratio * promptTokenCount)
      : settings.budget.tokens;
    const alwaysCount = promptTokenCount - sealedTokenCount + sinkCount;
    keptCount = Math.max(0, Math.floor((budget - alwaysCount) / settings.chunkSize));
  }
  const kept = new Set(Array.from({ length: sinkCount }, (_, token) => token));
  for (const { tokens } of chunks.slice(0, keptCount)) {
    for (const token of tokens) kept.add(token);
  }
  return [...kept].sort((a, b) => a - b);
}

/** Chunks by the sum of their tokens' scores, the highest first; of equal ones the earlier. */
function rankedChunks(
  { sums }: StoreScores,
  { chunkSize, sealedTokenCount }: { chunkSize: number; sealedTokenCount: number },
): { tokens: number[] }[] {
  const chunks: { tokens: number[]; score: number }[] = [];
  for (let first = 0; first < sealedTokenCount; first += chunkSize) {
    const length = Math.min(chunkSize, sealedTokenCount - first);
    const tokens = Array.from({ length }, (_, index) => first + index);
    chunks.push({ tokens, score: tokens.reduce((sum, token) => sum + sums[token], 0) });
  }
  return chunks.sort((a, b) => b.score - a.score || a.tokens[0] - b.tokens[0]);
}
