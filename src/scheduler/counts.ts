import type { BlockCache } from "./block_cache.ts";
import type { SchedulerStats } from "./events.ts";
import type { Roster } from "./roster.ts";

/** Counts of sequences and words now. */
export function countsOf(
  { running, waiting }: Roster,
  cache: BlockCache,
): Omit<SchedulerStats, "prefixQueryCount" | "prefixHitCount" | "hostBytes"> {
  const { memory, unusedAllocatedWords } = cache;
  const allocatedWordCount = memory.allocatedWordCount - unusedAllocatedWords;
  const storedCounts = running.map(({ plannedTokenCount }) => plannedTokenCount);
  return {
    runningCount: running.length,
    waitingCount: waiting.length,
    cacheUsage: allocatedWordCount / memory.capacityWordCount,
    sealedBlockCount: cache.usedSealedCount,
    sharedBlockCount: cache.sharedCount,
    storedTokenCount: storedCounts.reduce((total, count) => total + count, 0),
    packedWordCount: memory.packedWordCount - cache.unusedPackedWords,
    allocatedWordCount,
    retainedWordCount: unusedAllocatedWords,
    capacityWordCount: memory.capacityWordCount,
  };
}
