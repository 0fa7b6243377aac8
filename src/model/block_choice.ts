/**
 * What decode rows read of the sealed blocks of a layer that chooses: blocks are scored by their
 * summaries, and each row and KV head gets a read list of the best ones.
 *
 * @module
 */

import { ENTRY_WORDS, type Row, ROW_WORDS, rowWords } from "../core/row.ts";
import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { BlockAttentionKernel } from "../kernels/block_scores/attention.ts";
import { BlockScoresKernel } from "../kernels/block_scores/summary.ts";
import { BlockSelectKernel } from "../kernels/block_select/top.ts";
import type { ChosenLists } from "../kvcache/block_reader.ts";
import type { Reading } from "../kvcache/reading.ts";
import type { AttentionOptions } from "./attention_splits.ts";

/** Kernels with what they bind for the layer of a store. */
interface Bound {
  scores: GPUBindGroup;
  select: GPUBindGroup;
}

interface Parts {
  reading: Reading;
  kvHeadCount: number;
  listCountMax: number;
  lists: ChosenLists;
  scoreBuffer: GPUBuffer;
  scores: BlockScoresKernel | BlockAttentionKernel;
  select: BlockSelectKernel;
  /** By store; null for one that no layer chooses of. */
  bound: readonly (Bound | null)[];
  storeOf: (layer: number) => number;
}

/** Makes read lists for the rows of one group. */
export class BlockChoice {
  #gpu: Gpu;
  #parts: Parts;

  private constructor(gpu: Gpu, parts: Parts) {
    this.#gpu = gpu;
    this.#parts = parts;
  }

  /** Compiles for a cache and binds every store that layers choose of. */
  static async create(
    gpu: Gpu,
    options: Pick<AttentionOptions, "cache" | "group" | "sealedShape">,
    reading: Reading,
  ): Promise<BlockChoice> {
    const { cache, group: { q, rows, rowCountMax }, sealedShape: shape } = options;
    const { kvHeadCount } = shape;
    const listCountMax = cache.shape.blockCountMax;
    const { kind, scoredBy } = reading.method;
    const select = await BlockSelectKernel.create(gpu, { kvHeadCount, listCountMax });
    const make = (name: string, words: number) =>
      gpu.createBuffer(name, rowCountMax * words * WORD_SIZE_BYTES);
    const entryCount = kvHeadCount * listCountMax;
    const lists = {
      rows: make("rows that choose", ROW_WORDS),
      lists: make("chosen read lists", entryCount * ENTRY_WORDS),
    };
    const scoreBuffer = make("block scores", entryCount);
    const byAttention = scoredBy === "attention"
      ? await BlockAttentionKernel.create(gpu, {
        shape,
        listCountMax,
        tileCount: cache.windowTileCount,
      })
      : null;
    const bySummary = await BlockScoresKernel.create(gpu, { shape, kind, listCountMax });
    const scores = byAttention ?? bySummary;
    const bound = cache.summaries.map((summaries, store) => {
      if (summaries === null) return null;
      const directory = cache.directoryOf(cache.shape.stores[store].layer);
      const chosen = { rows, directory, scores: scoreBuffer };
      const [tiles, window] = [cache.arenaOfStore(store), cache.windows[store]];
      return {
        scores: byAttention
          ? byAttention.bind({ q, ...chosen, tiles, window })
          : bySummary.bind({ q, rows, summaries, scores: scoreBuffer }),
        select: select.bind({ ...chosen, chosen: lists.rows, lists: lists.lists }),
      };
    });
    const storeOf = (layer: number) => cache.storeOf(layer);
    const kernels = { scores, select, bound, storeOf };
    const sizes = { kvHeadCount, listCountMax };
    return new BlockChoice(gpu, { reading, ...sizes, lists, scoreBuffer, ...kernels });
  }

  /** What attention binds in the place of rows and directory. */
  get lists(): ChosenLists {
    return this.#parts.lists;
  }

  /** Queues how many records a step's rows read; most of them. */
  write(rows: readonly Row[]): void {
    const { reading, kvHeadCount, listCountMax, lists } = this.#parts;
    reading.count(rows);
    const chosen = rows.map((row, index) => ({
      ...row,
      listStart: index * kvHeadCount * listCountMax,
      listStride: listCountMax,
      listCount: reading.chosenCount(row),
    }));
    this.#gpu.write(lists.rows, 0, rowWords(chosen));
  }

  /** Encodes the choice of a layer; the most records that a row and KV head reads. */
  encode(
    pass: GPUComputePassEncoder,
    layer: number,
    { rows, listCount }: { rows: readonly Row[]; listCount: number },
  ): number {
    const { reading, scores, select, bound, storeOf } = this.#parts;
    const own = bound[storeOf(layer)];
    if (own === null || listCount === 0) return 0;
    const rowCount = rows.length;
    scores.encode(pass, own.scores, { rowCount, listCount });
    select.encode(pass, own.select, rowCount);
    return Math.max(...rows.map((row) => reading.chosenCount(row)));
  }

  /** Frees its buffers. */
  destroy(): void {
    const { lists, scoreBuffer } = this.#parts;
    for (const buffer of [lists.rows, lists.lists, scoreBuffer]) this.#gpu.destroyBuffer(buffer);
  }
}
