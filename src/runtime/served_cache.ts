/**
 * The cache of a model that is served, and what it holds of a sequence.
 *
 * @module
 */

import {
  alignUp,
  BLOCK_TOKEN_COUNT,
  sealedBlockCount,
  WINDOW_BLOCK_COUNT,
  WORD_SIZE_BYTES,
} from "../core/shapes.ts";
import { arenaWords } from "../kvcache/cache_shape.ts";
import { blockCapacity, type CachePlan, plannedShape, type PlanOptions } from "./cache_plan.ts";
import { fitCache, type FitOptions } from "./fit_cache.ts";
import type { LoadedModel } from "./load_model.ts";
import type { EngineInfo, HeldContext, LoadOptions } from "./types.ts";

const MIB = 2 ** 20;
/** No device has more. */
const SIZE_BYTES_MAX = 2 ** 42;

/** A cache that fits; with what would have been wanted, null if that fits, and what it holds. */
export async function servedCache(
  model: LoadedModel,
  { sequenceCountMax: slotCount, cacheSizeBytes }: Pick<
    LoadOptions,
    "sequenceCountMax" | "cacheSizeBytes"
  >,
  sizes: Omit<FitOptions, "slotCount" | "arenaSizeBytes" | "onShrunk">,
): Promise<{ plan: CachePlan } & Pick<EngineInfo, "cacheWantedBytes" | "heldContext">> {
  let cacheWantedBytes: number | null = null;
  const plan = await fitCache(model, {
    ...sizes,
    slotCount,
    ...(cacheSizeBytes === null ? {} : { arenaSizeBytes: cacheSizeBytes }),
    onShrunk: (wantedBytes) => cacheWantedBytes = wantedBytes,
  });
  const heldContext = contextHeld(model, plan, { ...sizes, slotCount });
  return { plan, cacheWantedBytes, heldContext };
}

/** What a planned cache holds of one sequence even if all its blocks are of the largest size. */
function contextHeld(model: LoadedModel, plan: CachePlan, options: PlanOptions): HeldContext {
  const { contextLength, windowBlockCount = WINDOW_BLOCK_COUNT } = options;
  // The last token is sampled and not stored; a block that fills is raw beside the window.
  const wantedCount = sealedBlockCount(contextLength - 1, windowBlockCount);
  let capacity = blockCapacity(plan);
  const heldBlockCount = capacity + windowBlockCount + 1;
  const tokenCount = Math.min(contextLength, heldBlockCount * BLOCK_TOKEN_COUNT);
  if (capacity >= wantedCount) return { tokenCount: contextLength, wholeSizeBytes: null };
  let sizeBytes = arenaWords(plan.shape) * WORD_SIZE_BYTES;
  while (capacity < wantedCount) {
    // Stores have shares of it, arenas whole units: what is in proportion may be a little short.
    sizeBytes = alignUp(Math.ceil(sizeBytes * wantedCount / Math.max(1, capacity)) + 1, MIB);
    if (sizeBytes > SIZE_BYTES_MAX) return { tokenCount, wholeSizeBytes: null };
    capacity = blockCapacity({
      shape: plannedShape(model, { ...options, arenaSizeBytes: sizeBytes }),
    });
  }
  return { tokenCount, wholeSizeBytes: sizeBytes };
}
