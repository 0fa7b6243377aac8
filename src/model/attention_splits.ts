/**
 * How sequences are split among workgroups of attention, and where their partial results lie.
 *
 * @module
 */

import {
  BLOCK_TOKEN_COUNT,
  divCeil,
  type ModelShape,
  WINDOW_TILE_COUNT,
  WORD_SIZE_BYTES,
} from "../core/shapes.ts";
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

/** Rows whose partial results one buffer holds at least: those of a slice. */
const ROW_COUNT_MIN = BLOCK_TOKEN_COUNT;

/**
 * How sequences of a cache are split; the same for every row, whatever runs beside it.
 *
 * @param options `rowCount`: rows whose partial results a buffer holds. `bindingSizeMax`: bytes of
 * it that a kernel can bind.
 * @throws {RangeError} if not even one split of `blockCountMax` blocks fits.
 */
export function splitShape(
  blockCountMax: number,
  options: {
    shape: Pick<ModelShape, "queryHeadCount" | "headSize">;
    rowCount: number;
    bindingSizeMax: number;
  },
): SplitShape {
  const { shape, bindingSizeMax } = options;
  const rowCount = Math.max(ROW_COUNT_MIN, options.rowCount);
  const splitBytes = partialBytes(shape, rowCount);
  const sealedSplitCountMax = Math.min(
    SEALED_SPLIT_COUNT_MAX,
    Math.floor(bindingSizeMax / splitBytes) - WINDOW_TILE_COUNT,
  );
  if (sealedSplitCountMax < 1) {
    throw new RangeError(
      `Cannot attend ${rowCount} rows at a time: a split takes ${splitBytes} bytes of partial ` +
        `results, and the adapter binds ${bindingSizeMax}`,
    );
  }
  const blocksPerSplit = Math.max(
    BLOCKS_PER_SPLIT_MIN,
    divCeil(blockCountMax, sealedSplitCountMax),
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
  const sizeBytes = splits.splitCountMax * partialBytes(shape, group.rowCountMax);
  return gpu.createBuffer("attention partials", sizeBytes);
}

/** Bytes of the partial results of one split of each row. */
function partialBytes(
  { queryHeadCount, headSize }: Pick<ModelShape, "queryHeadCount" | "headSize">,
  rowCount: number,
): number {
  return rowCount * queryHeadCount * (headSize + 2) * WORD_SIZE_BYTES;
}

/** By layer: what `bind` gives for the window that it reads; layers of one store share it. */
export function boundByLayer(
  cache: KvCache,
  bind: (window: GPUBuffer) => GPUBindGroup,
): GPUBindGroup[] {
  const bound = cache.windows.map(bind);
  return cache.shape.storeOf.map((_, layer) => bound[cache.storeOf(layer)]);
}
