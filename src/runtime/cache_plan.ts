/**
 * The sizes of a cache for a loaded model, checked against the memory there is.
 *
 * @module
 */

import type { AnyCodec } from "../codec/registry.ts";
import { codecProfile } from "../codec/profile.ts";
import { EngineError } from "../core/errors.ts";
import {
  haveSameKeys,
  isSealedWithin,
  type ModelShape,
  WINDOW_BLOCK_COUNT,
} from "../core/shapes.ts";
import type { CodecProfile } from "../codec/profile_types.ts";
import type { Gpu } from "../gpu/gpu.ts";
import {
  type CacheShape,
  cacheShape,
  cacheSizeBytes,
  type LayerKeeps,
  nearStores,
} from "../kvcache/cache_shape.ts";
import { checkMemory, type LoadedModel } from "./load_model.ts";
import type { NearStores } from "../scheduler/block_memory.ts";
import type { AttentionPlan } from "../model/plan.ts";
import type { ProfileOptions } from "./types.ts";

/** Sizes of a cache and the words its records can take. */
export interface CachePlan {
  codec: AnyCodec;
  shape: CacheShape;
  /** Most tokens of a sequence. */
  contextLength: number;
  /** Whole blocks of a sequence that stay raw. */
  windowBlockCount: number;
  /** Fewest words of a record, on average over those of a block in an arena. */
  recordWordsMin: number;
  /** Most, in the same way. */
  recordWordsMax: number;
  /** Stores whose rows see their newest tokens only, and that seal; null if there are none. */
  near: NearStores | null;
}

/** What a cache is planned for. */
export interface PlanOptions {
  codec: AnyCodec;
  slotCount: number;
  contextLength: number;
  /** Whole blocks that stay raw; 2 if left out. */
  windowBlockCount?: number;
  arenaSizeBytes?: number;
  arenaLimitBytes?: number;
  /** First layers that read every block, where the others choose; all do if left out. */
  denseLayerCount?: number | null;
  /** Share of the arena for values that lie in host memory otherwise; null: records are whole. */
  valueShare?: number | null;
  /** What each layer keeps; by the model's plan if left out. */
  layerKeeps?: readonly LayerKeeps[];
}

/**
 * Sizes of a cache for `slotCount` sequences.
 *
 * @throws {EngineError} `model_too_large` with both numbers.
 */
export function planCache(model: LoadedModel, options: PlanOptions): CachePlan {
  const { gpu } = model;
  const { codec } = options;
  const planned = plannedShape(model, options);
  checkPairs(codec, planned);
  checkDirectory(gpu, planned, options.contextLength);
  const { window, arena, directory, summaries } = cacheSizeBytes(planned);
  checkMemory(gpu, window + arena + directory + summaries);
  const { contextLength } = options;
  const near = nearStores(planned);
  const { windowBlockCount } = planned;
  const limits = { contextLength, windowBlockCount, ...meanWords(codec, planned) };
  return { codec, shape: planned, near, ...limits };
}

/** The sizes alone, whether or not there is memory for them. */
export function plannedShape(
  { gpu, shape, plan }: LoadedModel,
  options: PlanOptions,
): CacheShape {
  const { codec } = options;
  return cacheShape(shape, {
    layerKeeps: plan.layers.map(({ attention }, layer) =>
      keptBy(attention, { layer, shape, ...options })
    ),
    layerHeads: plan.layers.map(({ attention }) => attention.headShape),
    ...options,
    recordWordsMax: codec.recordWords.max,
    codelessWords: codec.codelessWords,
    bindingSizeMax: gpu.facts.bindingSizeMax,
  });
}

/**
 * Where some records have no codes, they are counted in; in arenas that have fewest, or most. Of
 * one without its values more than half is left.
 */
function meanWords(
  { recordWords: { min, max }, codelessWords }: AnyCodec,
  { stores, groups }: CacheShape,
): Pick<CachePlan, "recordWordsMin" | "recordWordsMax"> {
  const shares = groups.map(({ firstStore, storeCount }) => {
    const sealed = stores.slice(firstStore, firstStore + storeCount)
      .filter(({ isSealed }) => isSealed);
    return sealed.filter(({ hasCodes }) => hasCodes).length / sealed.length;
  });
  const mean = (words: number, share: number) => {
    return words * share + (codelessWords ?? 0) * (1 - share);
  };
  const least = stores.some(({ hasValuesApart }) => hasValuesApart) ? min / 2 : min;
  return {
    recordWordsMin: Math.floor(mean(least, Math.min(...shares))),
    recordWordsMax: Math.ceil(mean(max, Math.max(...shares))),
  };
}

/** @throws {EngineError} `invalid_request` if a codec shares codes and no layers can. */
function checkPairs({ codelessWords, profile }: AnyCodec, { stores }: CacheShape): void {
  if (codelessWords === null || stores.some(({ hasCodes }) => !hasCodes)) return;
  throw new EngineError(
    "invalid_request",
    `Cannot use profile ${profile.name} with this model: no odd layer stands behind one that ` +
      "keeps all tokens, so that none could read the codes of the layer before",
    { param: "profile" },
  );
}

/**
 * A window that is as long as the context is none, if the layer has the heads that are sealed.
 * Within a shorter one blocks are sealed if it is wide enough, records hold tokens in their order,
 * so that those that a row does not see come first, and none reads the codes of another layer.
 */
function keptBy(
  { keyValueLayer, window, headShape }: AttentionPlan,
  { layer, shape, codec, contextLength, windowBlockCount = WINDOW_BLOCK_COUNT }: {
    layer: number;
    shape: ModelShape;
    codec: AnyCodec;
    contextLength: number;
    windowBlockCount?: number;
  },
): LayerKeeps {
  if (keyValueLayer !== layer) return { sameAs: keyValueLayer };
  if (window === null) return "sealed";
  const hasOwnHeads = !haveSameKeys(headShape, shape);
  if (window >= contextLength) return hasOwnHeads ? { reach: contextLength } : "sealed";
  const isWide = isSealedWithin(window, windowBlockCount);
  const isSealable = codec.keepsOrder && codec.codelessWords === null && !hasOwnHeads;
  return { reach: window, isSealed: isWide && isSealable };
}

function checkDirectory(gpu: Gpu, shape: CacheShape, contextLength: number): void {
  const { bufferSizeMax, bindingSizeMax } = gpu.facts;
  const { directoryStrideBytes, stores, slotCount } = shape;
  const sizeBytes = stores.length * directoryStrideBytes;
  if (sizeBytes <= bufferSizeMax && directoryStrideBytes <= bindingSizeMax) return;
  throw new EngineError(
    "model_too_large",
    `Cannot hold the directory of blocks of ${slotCount} sequences of ${contextLength} tokens: ` +
      `${sizeBytes} bytes exceed the adapter's ${bufferSizeMax}, or ${directoryStrideBytes} its ` +
      `${bindingSizeMax} at a time; use a smaller --ctx or fewer --sequences`,
  );
}

/** Blocks that fit into the arenas of a cache even if all their records are of the largest size. */
export function blockCapacity({ shape: { groups } }: Pick<CachePlan, "shape">): number {
  return Math.min(...groups.map(({ wordCount, nearWordsMax, blockWordsMax }) => {
    const leftCount = Math.max(0, wordCount - nearWordsMax);
    return blockWordsMax === 0 ? Infinity : Math.floor(leftCount / blockWordsMax);
  }));
}

/** @throws {EngineError} `invalid_request` naming the setting. */
export function checkedProfile(options: ProfileOptions): CodecProfile {
  try {
    return codecProfile(options);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new EngineError("invalid_request", error.message, { param: "profile" });
  }
}
