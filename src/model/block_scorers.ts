/**
 * What the rows of a group score the blocks of a store by.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import type { Row } from "../core/row.ts";
import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { BlockAttentionKernel } from "../kernels/block_scores/attention.ts";
import { BlockPartsKernel } from "../kernels/block_scores/parts.ts";
import { BlockScoresKernel } from "../kernels/block_scores/summary.ts";
import type { SplitShape } from "../kernels/text/attention.ts";
import type { ReadMethod } from "../kvcache/reading.ts";
import type { AttentionOptions } from "./attention_splits.ts";

/** Scores blocks, f32 `[rows][kvHeadCount][blockCountMax]`. */
export interface BlockScorer {
  /** Encodes the scores of the first `listCount` entries at most of each row's list. */
  encode(
    pass: GPUComputePassEncoder,
    layer: number,
    reads: { rows: readonly Row[]; listCount: number },
  ): void;
  /** Frees its buffers. */
  destroy(): void;
}

/** What scores are made of, and where they go. */
export interface ScorerOptions
  extends Pick<AttentionOptions, "cache" | "group" | "sealedShape" | "readers"> {
  scores: GPUBuffer;
  /** Of the rows' attention: f32 `[row][query head][splitCountMax][channels + 2]`. */
  partials: GPUBuffer;
  splits: SplitShape;
}

type MakeScorer = (gpu: Gpu, options: ScorerOptions, method: ReadMethod) => Promise<BlockScorer>;

/** By what a method scores blocks by. */
export const BLOCK_SCORERS: { readonly [By in ReadMethod["scoredBy"]]: MakeScorer } = {
  summary: bySummary,
  attention: byAttention,
  keys: byKeys,
};

/** By what is kept of their keys. */
async function bySummary(
  gpu: Gpu,
  { cache, group: { q, rows }, sealedShape: shape, scores }: ScorerOptions,
  { kind }: ReadMethod,
): Promise<BlockScorer> {
  const listCountMax = cache.shape.blockCountMax;
  const kernel = await BlockScoresKernel.create(gpu, { shape, kind, listCountMax });
  const bound = cache.summaries.map((summaries) =>
    summaries && kernel.bind({ q, rows, summaries, scores })
  );
  return {
    encode(pass, layer, { rows, listCount }) {
      const own = bound[cache.storeOf(layer)];
      invariant(own !== null, "the store is summarised");
      kernel.encode(pass, own, { rowCount: rows.length, listCount });
    },
    destroy() {},
  };
}

/** By the attention that they get, of raw keys: slow, for measuring; all rows read one list. */
async function byAttention(gpu: Gpu, options: ScorerOptions): Promise<BlockScorer> {
  const { cache, group: { q, rows }, sealedShape: shape, readers, scores } = options;
  const { blockCountMax: listCountMax, tileWords, stores } = cache.shape;
  const scratch = gpu.createBuffer("tiles to score", listCountMax * tileWords * WORD_SIZE_BYTES);
  const unpacker = await readers.unpacker({ rows, tiles: scratch });
  if (unpacker === null) gpu.destroyBuffer(scratch); // the arena has raw tiles
  const isUnpacked = unpacker !== null;
  const tileCount = cache.windowTileCount;
  const sizes = { shape, listCountMax, tileCount, isUnpacked };
  const kernel = await BlockAttentionKernel.create(gpu, sizes);
  const bound = stores.map(({ layer, isChosenOf }, store) => {
    if (!isChosenOf) return null;
    const tiles = isUnpacked ? scratch : cache.arenaOfStore(store);
    const [directory, window] = [cache.directoryOf(layer), cache.windows[store]];
    return kernel.bind({ q, rows, directory, tiles, window, scores });
  });
  return {
    encode(pass, layer, { rows, listCount }) {
      const store = cache.storeOf(layer);
      const own = bound[store];
      invariant(own !== null, "rows choose of the store");
      if (unpacker !== null) {
        const [{ listStart }] = rows;
        invariant(rows.every((row) => row.listStart === listStart), "rows read one list");
        unpacker.encode(pass, store, listCount);
      }
      kernel.encode(pass, own, rows.length);
    },
    destroy() {
      unpacker?.destroy();
      if (isUnpacked) gpu.destroyBuffer(scratch);
    },
  };
}

/** Bytes of the softmax of blocks, a greatest score and a sum each, by row and query head. */
export function blockPartsBytes(queryCount: number, blockCount: number): number {
  return queryCount * blockCount * 2 * WORD_SIZE_BYTES;
}

/** By the attention that they get, of keys as they are packed; the window is attended to before. */
async function byKeys(gpu: Gpu, options: ScorerOptions): Promise<BlockScorer> {
  const { cache, group, sealedShape: shape, readers, scores, partials, splits } = options;
  const { q, rows, rowCountMax } = group;
  const listCountMax = cache.shape.blockCountMax;
  invariant(readers.score !== null, "a kernel reads the codec's keys alone");
  const sizeBytes = blockPartsBytes(rowCountMax * shape.queryHeadCount, listCountMax);
  const parts = gpu.createBuffer("softmax of blocks", sizeBytes);
  const singles = { blocksPerSplit: 1, splitCountMax: listCountMax, partialWords: 2 };
  const rowsOf = (layer: number) => group.rowsOf(layer);
  const ofBlocks = { shape, splits: singles, cache, q, rowsOf, partials: parts };
  const reader = await readers.score(ofBlocks);
  const kernel = await BlockPartsKernel.create(gpu, { shape, splits, listCountMax });
  const bound = kernel.bind({ rows, parts, partials, scores });
  return {
    encode(pass, layer, { rows, listCount }) {
      reader.encode(pass, layer, { rowCount: rows.length, listCount });
      kernel.encode(pass, bound, rows.length);
    },
    destroy() {
      reader.destroy();
      gpu.destroyBuffer(parts);
    },
  };
}
