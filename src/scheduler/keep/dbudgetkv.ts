/**
 * DBudgetKV: as many tokens are dropped as cost the last query's attention no more than a share of
 * its norm, in each layer for itself.
 *
 * Source: arXiv:2502.16886 (later ReFreeKV), sections 3.1 and 3.2.
 *
 * @module
 */

import type { KeepMethod, PromptCounts, StoreScores } from "./method.ts";
import { droppableCount } from "./norm_loss.ts";
import { packsOf, tokensOf } from "./whole_packs.ts";

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
    needsAll: true,
    choose(scores, counts) {
      const { promptTokenCount, sealedTokenCount } = counts;
      const sinkCount = Math.min(sealedTokenCount, Math.max(settings.sinkCount, counts.sinkCount));
      const groups = rankedGroups(scores, { counts, sinkCount, rank });
      const limits = { tokenCount: promptTokenCount, lossMax };
      const dropped = new Set(groups.slice(0, droppableCount(scores, groups, limits)).flat());
      return Array.from({ length: sealedTokenCount }, (_, token) => token)
        .filter((token) => !dropped.has(token));
    },
  };
}

/** What may be dropped together, the least important first; of equal groups the earlier. */
function rankedGroups(
  { sums }: StoreScores,
  { counts, sinkCount, rank }: {
    counts: PromptCounts;
    sinkCount: number;
    rank: DBudgetKvSettings["rank"];
  },
): number[][] {
  const groups = packsOf(counts.sealedTokenCount, counts)
    .filter(({ first }) => first >= sinkCount)
    .map(tokensOf);
  if (rank === "position") return groups;
  const ranked = groups.map((tokens) => {
    return { tokens, mean: tokens.reduce((sum, own) => sum + sums[own], 0) / tokens.length };
  });
  ranked.sort((a, b) => a.mean - b.mean || a.tokens[0] - b.tokens[0]);
  return ranked.map(({ tokens }) => tokens);
}
