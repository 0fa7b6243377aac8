/**
 * The sizes of a cache for a loaded model, checked against the memory there is.
 *
 * @module
 */

import type { AnyCodec } from "../codec/registry.ts";
import { codecProfile } from "../codec/profile.ts";
import { EngineError } from "../core/errors.ts";
import { haveSameKeys, type ModelShape } from "../core/shapes.ts";
import type { CodecProfile } from "../codec/profile_types.ts";
import type { Gpu } from "../gpu/gpu.ts";
import {
  type CacheShape,
  cacheShape,
  cacheSizeBytes,
  type LayerKeeps,
} from "../kvcache/cache_shape.ts";
import { checkMemory, type LoadedModel } from "./load_model.ts";
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
}

/**
 * Sizes of a cache for `slotCount` sequences.
 *
 * @throws {EngineError} `model_too_large` with both numbers.
 */
export function planCache(
  model: LoadedModel,
  options: {
    codec: AnyCodec;
    slotCount: number;
    contextLength: number;
    /** Whole blocks that stay raw; 2 if left out. */
    windowBlockCount?: number;
    arenaSizeBytes?: number;
    arenaLimitBytes?: number;
    /** First layers that read every block, where the others choose; all do if left out. */
    denseLayerCount?: number | null;
    /** What each layer keeps; by the model's plan if left out. */
    layerKeeps?: readonly LayerKeeps[];
  },
): CachePlan {
  const { gpu, shape, plan } = model;
  const { codec } = options;
  const { bindingSizeMax } = gpu.facts;
  const planned = cacheShape(shape, {
    layerKeeps: plan.layers.map(({ attention }, layer) =>
      keptBy(attention, { layer, shape, contextLength: options.contextLength })
    ),
    layerHeads: plan.layers.map(({ attention }) => attention.headShape),
    ...options,
    recordWordsMax: codec.recordWords.max,
    codelessWords: codec.codelessWords,
    bindingSizeMax,
  });
  checkPairs(codec, planned);
  checkDirectory(gpu, planned, options.contextLength);
  const { window, arena, directory, summaries } = cacheSizeBytes(planned);
  checkMemory(gpu, window + arena + directory + summaries);
  const { contextLength } = options;
  const { windowBlockCount } = planned;
  return { codec, shape: planned, contextLength, windowBlockCount, ...meanWords(codec, planned) };
}

/** Where some records have no codes, they are counted in; in arenas that have fewest, or most. */
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
  return {
    recordWordsMin: Math.floor(mean(min, Math.min(...shares))),
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

/** A window that is as long as the context is none, if the layer has the heads that are sealed. */
function keptBy(
  { keyValueLayer, window, headShape }: AttentionPlan,
  { layer, shape, contextLength }: { layer: number; shape: ModelShape; contextLength: number },
): LayerKeeps {
  if (keyValueLayer !== layer) return { sameAs: keyValueLayer };
  if (window === null) return "sealed";
  if (window < contextLength) return { reach: window };
  return haveSameKeys(headShape, shape) ? "sealed" : { reach: contextLength };
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
  return Math.min(...groups.map(({ wordCount, blockWordsMax }) => {
    return Math.floor(wordCount / blockWordsMax);
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
