import type { BlockCache } from "./block_cache.ts";
import type { DraftCounts } from "./decode_planner.ts";
import type { SchedulerStats } from "./events.ts";
import type { Roster } from "./roster.ts";
import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import type { KeptReport } from "./keep/keeping.ts";
import type { Sequence } from "./sequence.ts";

/** Counts of sequences and words now. */
export function countsOf(
  { running, runningCount, waitingCount, preemptionCount }: Roster,
  cache: BlockCache,
): Omit<SchedulerStats, "prefixQueryCount" | "prefixHitCount" | "hostBytes" | keyof DraftCounts> {
  const { memory, unusedAllocatedWords } = cache;
  const allocatedWordCount = memory.allocatedWordCount - unusedAllocatedWords;
  const storedCounts = running.map(({ plannedTokenCount }) => plannedTokenCount);
  return {
    runningCount,
    waitingCount,
    cacheUsage: allocatedWordCount / memory.capacityWordCount,
    sealedBlockCount: cache.usedCounts.sealed,
    nearBlockCount: cache.usedCounts.near,
    sharedBlockCount: cache.sharedCount,
    storedTokenCount: storedCounts.reduce((total, count) => total + count, 0),
    packedWordCount: memory.packedWordCount - cache.unusedPackedWords,
    packedStoreWords: [...cache.usedStoreWords],
    packedStoreTokens: [...cache.usedStoreTokens],
    allocatedWordCount,
    retainedWordCount: unusedAllocatedWords,
    capacityWordCount: memory.capacityWordCount,
    preemptionCount,
  };
}

/** A sequence in its slot. */
export interface SlotStats {
  slot: number;
  sequenceId: number;
  phase: "prefill" | "decode";
  promptTokenCount: number;
  /** Prompt tokens that were in the cache. */
  cachedTokenCount: number;
  generatedTokenCount: number;
  /** Tokens whose keys and values are stored, sealed and raw. */
  storedTokenCount: number;
  sealedBlockCount: number;
  /** Words of the records of its sealed blocks, shared ones counted. */
  packedWordCount: number;
  /** Tokens of these records, all stores counted. */
  sealedTokenCount: number;
  /** What stayed of its prompt; null if all did, or it is not decided. */
  kept: KeptReport | null;
}

/** What a running sequence holds. */
export function slotOf(sequence: Sequence): SlotStats {
  const { slot, request, heldBlocks } = sequence;
  const blocks = [...heldBlocks, ...sequence.near.items];
  const words = blocks.map(({ recordWords }) => recordWords.reduce((sum, count) => sum + count, 0));
  return {
    slot,
    sequenceId: request.sequenceId,
    phase: sequence.isPrefilling ? "prefill" : "decode",
    promptTokenCount: request.promptIds.length,
    cachedTokenCount: sequence.cachedTokenCount ?? 0,
    generatedTokenCount: sequence.generatedCount,
    storedTokenCount: sequence.plannedTokenCount,
    sealedBlockCount: heldBlocks.length,
    packedWordCount: words.reduce((sum, count) => sum + count, 0),
    sealedTokenCount: blocks.reduce((sum, { recordWords, tokenCounts }) => {
      const counts = recordWords.map((count, store) =>
        count === 0 ? 0 : tokenCounts?.[store] ?? BLOCK_TOKEN_COUNT
      );
      return sum + counts.reduce((total, count) => total + count, 0);
    }, 0),
    kept: sequence.keeping?.report ?? null,
  };
}
