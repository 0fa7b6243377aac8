/**
 * DBudgetKV: as many tokens are dropped as cost the last query's attention no more than a share of
 * its norm, in each layer for itself.
 *
 * Source: arXiv:2502.16886 (later ReFreeKV), sections 3.1 and 3.2.
 *
 * @module
 */

import type { KeepMethod, StoreScores } from "./method.ts";
import { droppableCount } from "./norm_loss.ts";

/** Its settings. */
export interface DBudgetKvSettings {
  /** Share of the norm that may be lost. */
  lossMax: number;
  /** What makes a token important: being late, as published, or the attention that it got. */
  rank: "position" | "attention";
  /** Last queries whose attention is summed up to rank by it. */
  queryCount: number;
  /** First tokens that always stay. */
  sinkCount: number;
}

/** The method with settings; `id` says them. */
export function dBudgetKv(id: string, settings: DBudgetKvSettings): KeepMethod {
  const { lossMax, rank } = settings;
  const queryCount = rank === "position" ? 1 : settings.queryCount;
  return {
    id,
    observation: {
      queryCount,
      storesTogether: 1,
      needsSums: rank === "attention",
      needsLastQuery: true,
      needsChannels: false,
    },
    choose(scores, { promptTokenCount, sealedTokenCount, ...counts }) {
      const sinkCount = Math.min(sealedTokenCount, Math.max(settings.sinkCount, counts.sinkCount));
      const ranked = rankedTokens(scores, { sinkCount, sealedTokenCount, rank });
      const groups = ranked.map((token) => [token]);
      const limits = { tokenCount: promptTokenCount, lossMax };
      const kept = ranked.slice(droppableCount(scores, groups, limits));
      const sinks = Array.from({ length: sinkCount }, (_, token) => token);
      return [...sinks, ...kept.sort((a, b) => a - b)];
    },
  };
}

/** Tokens that may be dropped, the least important first; of equal ones the earlier. */
function rankedTokens(
  { sums }: StoreScores,
  options: { sinkCount: number; sealedTokenCount: number; rank: DBudgetKvSettings["rank"] },
): number[] {
  const { sinkCount, sealedTokenCount, rank } = options;
  const tokens = Array.from({ length: sealedTokenCount - sinkCount }, (_, i) => sinkCount + i);
  return rank === "position" ? tokens : tokens.sort((a, b) => sums[a] - sums[b] || a - b);
}
