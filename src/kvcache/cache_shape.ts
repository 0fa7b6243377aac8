/**
 * The sizes of the KV cache on the device, derived once from the model, the profile and the budget:
 * raw window, directory, and the arena split into groups of layers so that one binding holds each.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import {
  alignUp,
  BLOCK_TOKEN_COUNT,
  divCeil,
  type ModelShape,
  WINDOW_KEEP_COUNT,
  WINDOW_TILE_COUNT,
  WORD_SIZE_BYTES,
} from "../core/shapes.ts";
import { ENTRY_WORDS } from "../core/row.ts";
import { BINDING_ALIGNMENT_BYTES } from "../gpu/gpu.ts";
import { EXTENT_UNIT_WORDS } from "../scheduler/allocator.ts";

/** A run of layers whose sealed blocks share one arena buffer. */
export interface ArenaGroup {
  firstLayer: number;
  layerCount: number;
  wordCount: number;
}

/** Sizes of everything in the cache. */
export interface CacheShape {
  layerCount: number;
  kvHeadCount: number;
  headSize: number;
  /** Sequences that can run at a time. */
  slotCount: number;
  /** Most sealed blocks of a sequence. */
  blockCountMax: number;
  /** Words of a raw tile: 64 tokens of K and V of one layer as f16. */
  tileWords: number;
  /** Words of the largest record of one layer and block. */
  recordWordsMax: number;
  groups: readonly ArenaGroup[];
  /** Bytes from one layer's part of the directory to the next. */
  directoryStrideBytes: number;
}

/** What the sizes follow from. */
export interface CacheOptions {
  slotCount: number;
  contextLength: number;
  recordWordsMax: number;
  /** Budget of the arena in bytes; what all slots can ever need if left out. */
  arenaSizeBytes?: number;
  /** Most bytes of the arena if no budget is given. */
  arenaLimitBytes?: number;
  /** Largest buffer range one binding may hold. */
  bindingSizeMax: number;
}

/**
 * Derives the sizes.
 *
 * @throws {EngineError} `model_too_large` if one slot's window does not fit a binding, or the
 * budget
 * is less than one block.
 */
export function cacheShape(model: ModelShape, options: CacheOptions): CacheShape {
  const { layerCount, kvHeadCount, headSize } = model;
  const { slotCount, contextLength, recordWordsMax, bindingSizeMax } = options;
  const tileWords = kvHeadCount * headSize * BLOCK_TOKEN_COUNT;
  const blockCountMax = Math.max(
    1,
    Math.floor(contextLength / BLOCK_TOKEN_COUNT) - WINDOW_KEEP_COUNT / BLOCK_TOKEN_COUNT,
  );
  const windowBytes = slotCount * WINDOW_TILE_COUNT * tileWords * WORD_SIZE_BYTES;
  if (windowBytes > bindingSizeMax) {
    throw new EngineError(
      "model_too_large",
      `Cannot hold the raw window of ${slotCount} sequences: ${windowBytes} bytes per layer ` +
        `exceed the adapter's binding limit of ${bindingSizeMax}; use fewer --sequences`,
    );
  }
  const groups = arenaGroups(layerCount, { ...options, blockCountMax });
  const directoryStrideBytes = alignUp(
    slotCount * blockCountMax * ENTRY_WORDS * WORD_SIZE_BYTES,
    BINDING_ALIGNMENT_BYTES,
  );
  return {
    layerCount,
    kvHeadCount,
    headSize,
    slotCount,
    blockCountMax,
    tileWords,
    recordWordsMax,
    groups,
    directoryStrideBytes,
  };
}

function arenaGroups(
  layerCount: number,
  options: CacheOptions & { blockCountMax: number },
): ArenaGroup[] {
  const { slotCount, blockCountMax, recordWordsMax, bindingSizeMax } = options;
  const bytesPerBlockAndLayer = alignUp(recordWordsMax, EXTENT_UNIT_WORDS) * WORD_SIZE_BYTES;
  const needBytes = slotCount * blockCountMax * layerCount * bytesPerBlockAndLayer;
  const { arenaSizeBytes, arenaLimitBytes = needBytes } = options;
  const totalBytes = arenaSizeBytes ?? Math.min(needBytes, arenaLimitBytes);
  if (totalBytes < layerCount * bytesPerBlockAndLayer) {
    throw new EngineError(
      "model_too_large",
      `Cannot hold one block of the KV cache: it takes up to ${
        layerCount * bytesPerBlockAndLayer
      } bytes, the budget is ${totalBytes}`,
    );
  }
  const bytesPerLayer = Math.floor(totalBytes / layerCount);
  const layersPerGroup = Math.max(1, Math.floor(bindingSizeMax / bytesPerLayer));
  const groupCount = divCeil(layerCount, Math.min(layersPerGroup, layerCount));
  const groups: ArenaGroup[] = [];
  for (let index = 0; index < groupCount; index++) {
    const firstLayer = Math.floor((index * layerCount) / groupCount);
    const end = Math.floor(((index + 1) * layerCount) / groupCount);
    const bytes = Math.min((end - firstLayer) * bytesPerLayer, bindingSizeMax);
    const unitBytes = EXTENT_UNIT_WORDS * WORD_SIZE_BYTES;
    const wordCount = Math.floor(bytes / unitBytes) * EXTENT_UNIT_WORDS;
    groups.push({ firstLayer, layerCount: end - firstLayer, wordCount });
  }
  return groups;
}
