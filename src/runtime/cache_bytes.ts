/**
 * Bytes of sealed blocks by the names of FORMAT.md, from counts of blocks and words.
 *
 * @module
 */

import type { AnyCodec } from "../codec/registry.ts";
import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { CacheShape } from "../kvcache/cache_shape.ts";
import type { SchedulerStats } from "../scheduler/scheduler.ts";
import type { CacheBytes } from "./types.ts";

/**
 * `payload` is the bits of the packs with the padding of their sections, without minima, widths,
 * token parameters or tables; `packed` is all of the records; `allocated` their extents and their
 * entries in the directory.
 */
export function cacheBytes(
  stats: Pick<SchedulerStats, "sealedBlockCount" | "packedWordCount" | "allocatedWordCount">,
  plan: { shape: CacheShape; codec: AnyCodec },
): CacheBytes {
  const recordCount = stats.sealedBlockCount *
    plan.shape.stores.filter(({ isSealed }) => isSealed).length;
  const rawWords = recordCount * plan.shape.tileWords;
  const sideWords = recordCount * plan.codec.fixedWords;
  return {
    raw: rawWords * WORD_SIZE_BYTES,
    payload: Math.max(0, stats.packedWordCount - sideWords) * WORD_SIZE_BYTES,
    packed: stats.packedWordCount * WORD_SIZE_BYTES,
    allocated: (stats.allocatedWordCount + recordCount) * WORD_SIZE_BYTES,
  };
}
