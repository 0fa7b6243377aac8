/**
 * How sequences are split among workgroups of attention, and where their partial results lie.
 *
 * @module
 */

import { divCeil, type ModelShape, WINDOW_TILE_COUNT, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { SplitShape } from "../kernels/text/attention.ts";
import type { BlockReaders } from "../kvcache/block_reader.ts";
import type { KvCache } from "../kvcache/kv_cache.ts";
import type { RowGroup } from "./row_group.ts";

/** Fewest sealed blocks of a split; a workgroup has 256 tokens to hide its start. */
const BLOCKS_PER_SPLIT_MIN = 4;

/** Most splits of sealed blocks: bounds the partial results of long contexts. */
const SEALED_SPLIT_COUNT_MAX = 128;

/** What attention is built from. */
export interface AttentionOptions {
  shape: ModelShape;
  cache: KvCache;
  group: RowGroup;
  /** Of sealed blocks. */
  readers: BlockReaders;
}

/** How sequences of a cache are split; the same for every row, whatever runs beside it. */
export function splitShape(blockCountMax: number): SplitShape {
  const blocksPerSplit = Math.max(
    BLOCKS_PER_SPLIT_MIN,
    divCeil(blockCountMax, SEALED_SPLIT_COUNT_MAX),
  );
  const splitCountMax = divCeil(blockCountMax, blocksPerSplit) + WINDOW_TILE_COUNT;
  return { blocksPerSplit, splitCountMax };
}

/** Makes the f32 `[rows][queryHeadCount][splitCountMax][headSize + 2]` of partial results. */
export function createPartials(
  gpu: Gpu,
  { shape, group }: Pick<AttentionOptions, "shape" | "group">,
  splits: SplitShape,
): GPUBuffer {
  const { queryHeadCount, headSize } = shape;
  const words = group.rowCountMax * queryHeadCount * splits.splitCountMax * (headSize + 2);
  return gpu.createBuffer("attention partials", words * WORD_SIZE_BYTES);
}
