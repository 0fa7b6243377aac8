/**
 * Bytes of sealed blocks by the names of FORMAT.md, from counts of blocks and words.
 *
 * @module
 */

import type { AnyCodec } from "../codec/registry.ts";
import { BLOCK_TOKEN_COUNT, WORD_SIZE_BYTES } from "../core/shapes.ts";
import { type CacheShape, windowSizeBytes } from "../kvcache/cache_shape.ts";
import { isNear, keepsAll, type Store } from "../kvcache/store.ts";
import type { SchedulerStats } from "../scheduler/scheduler.ts";
import type { CacheBytes, LayerBytes } from "./types.ts";

/**
 * `payload` is the bits of the packs with the padding of their sections, without minima, widths,
 * token parameters or tables; `packed` is all of the records; `allocated` their extents and their
 * entries in the directory. Values that lie in host memory are in none but `raw`.
 */
export function cacheBytes(
  stats: Pick<
    SchedulerStats,
    | "sealedBlockCount"
    | "nearBlockCount"
    | "packedWordCount"
    | "packedStoreTokens"
    | "allocatedWordCount"
  >,
  plan: { shape: CacheShape; codec: AnyCodec },
): CacheBytes {
  const { stores } = plan.shape;
  const recordCount = stats.sealedBlockCount * stores.filter(keepsAll).length +
    stats.nearBlockCount * stores.filter(isNear).length;
  const tokenCount = stats.packedStoreTokens.reduce((sum, count) => sum + count, 0);
  const rawWords = tokenCount * plan.shape.tileWords / BLOCK_TOKEN_COUNT;
  // Without its values a record has half of its side data.
  const apartCount = stats.sealedBlockCount *
    stores.filter(({ hasValuesApart }) => hasValuesApart).length;
  const sideWords = (recordCount - apartCount / 2) * plan.codec.fixedWords;
  return {
    raw: rawWords * WORD_SIZE_BYTES,
    payload: Math.max(0, stats.packedWordCount - sideWords) * WORD_SIZE_BYTES,
    packed: stats.packedWordCount * WORD_SIZE_BYTES,
    allocated: (stats.allocatedWordCount + recordCount) * WORD_SIZE_BYTES,
  };
}

/** Bytes of a token as f16, over all stores that keep all. */
export function tokenBytes({ stores }: Pick<CacheShape, "stores">): number {
  return stores.filter(keepsAll).reduce((sum, store) => sum + storeTokenBytes(store), 0);
}

/** Bytes of a token in a store as f16. */
export function storeTokenBytes({ tileWords }: Pick<Store, "tileWords">): number {
  return tileWords * WORD_SIZE_BYTES / BLOCK_TOKEN_COUNT;
}

/** What each layer keeps. */
export function layerBytes(
  { packedStoreWords, packedStoreTokens }: Pick<
    SchedulerStats,
    "packedStoreWords" | "packedStoreTokens"
  >,
  shape: CacheShape,
): LayerBytes[] {
  return shape.storeOf.map((index, layer) => {
    const store = index === null ? null : shape.stores[index];
    const [reach, keyValueLayer] = [store?.reach ?? null, store?.layer ?? layer];
    if (index === null || store?.layer !== layer) {
      return { reach, keyValueLayer, window: 0, packed: 0, packedTokens: 0 };
    }
    return {
      reach,
      keyValueLayer,
      window: windowSizeBytes(shape, store),
      packed: packedStoreWords[index] * WORD_SIZE_BYTES,
      packedTokens: packedStoreTokens[index],
    };
  });
}
