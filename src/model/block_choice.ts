/**
 * What decode rows read of the sealed blocks of a layer that chooses: blocks are scored by their
 * summaries, and each row and KV head gets a read list of the best ones.
 *
 * @module
 */

import { ENTRY_WORDS, type Row, ROW_WORDS, rowWords } from "../core/row.ts";
import { invariant } from "../core/errors.ts";
import { alignUp, divExact, WORD_SIZE_BYTES } from "../core/shapes.ts";
import { BINDING_ALIGNMENT_BYTES, type Gpu } from "../gpu/gpu.ts";
import { BlockAttentionKernel } from "../kernels/block_scores/attention.ts";
import { BlockScoresKernel } from "../kernels/block_scores/summary.ts";
import { BlockShareKernel, setWords } from "../kernels/block_select/share.ts";
import { type BlockSelectBuffers, BlockSelectKernel } from "../kernels/block_select/top.ts";
import type { ChosenLists, RecordUnpacker } from "../kvcache/block_reader.ts";
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
  groupSize: number;
  listCountMax: number;
  lists: ChosenLists;
  scoreBuffer: GPUBuffer;
  scores: BlockScoresKernel | BlockAttentionKernel;
  select: BlockSelectKernel | BlockShareKernel;
  /** What rows that read a share of their attention bind beside; null if they count blocks. */
  share: ShareBuffers | null;
  /** Makes raw tiles of the records that rows may read; null if none are needed. */
  unpacked: { unpacker: RecordUnpacker; tiles: GPUBuffer } | null;
  /** By store; null for one that no layer chooses of. */
  bound: readonly (Bound | null)[];
  storeOf: (layer: number) => number;
}

interface ShareBuffers {
  limits: GPUBuffer;
  sets: GPUBuffer;
}

/** What no sum of attention exceeds: all blocks are chosen. */
const NO_LIMIT = 1e30;

const BINDING_ALIGN_WORDS = BINDING_ALIGNMENT_BYTES / WORD_SIZE_BYTES;

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
    options: Pick<AttentionOptions, "cache" | "group" | "sealedShape" | "readers">,
    reading: Reading,
  ): Promise<BlockChoice> {
    const { cache, group: { q, rows, rowCountMax }, sealedShape: shape } = options;
    const { kvHeadCount } = shape;
    const listCountMax = cache.shape.blockCountMax;
    const { kind, scoredBy } = reading.method;
    const make = (name: string, words: number) =>
      gpu.createBuffer(name, rowCountMax * words * WORD_SIZE_BYTES);
    const entryCount = kvHeadCount * listCountMax;
    const lists = {
      rows: make("rows that choose", ROW_WORDS),
      lists: make("chosen read lists", entryCount * ENTRY_WORDS),
    };
    const scoreBuffer = make("block scores", entryCount);
    const isByAttention = scoredBy === "attention";
    const unpacked = isByAttention ? await unpackedTiles(gpu, options) : null;
    const byAttention = isByAttention
      ? await BlockAttentionKernel.create(gpu, {
        shape,
        listCountMax,
        tileCount: cache.windowTileCount,
        isUnpacked: unpacked !== null,
      })
      : null;
    const bySummary = await BlockScoresKernel.create(gpu, { shape, kind, listCountMax });
    const { select, bindSelect, share } = await makeSelect(gpu, options, reading);
    const bound = cache.summaries.map((summaries, store) => {
      if (summaries === null) return null;
      const directory = cache.directoryOf(cache.shape.stores[store].layer);
      const chosen = { rows, directory, scores: scoreBuffer };
      const tiles = unpacked?.tiles ?? cache.arenaOfStore(store);
      const window = cache.windows[store];
      return {
        scores: byAttention
          ? byAttention.bind({ q, ...chosen, tiles, window })
          : bySummary.bind({ q, rows, summaries, scores: scoreBuffer }),
        select: bindSelect({ ...chosen, chosen: lists.rows, lists: lists.lists }, store),
      };
    });
    const storeOf = (layer: number) => cache.storeOf(layer);
    const kernels = { scores: byAttention ?? bySummary, select, bound, storeOf, share, unpacked };
    const groupSize = divExact(shape.queryHeadCount, kvHeadCount);
    const sizes = { kvHeadCount, groupSize, listCountMax };
    return new BlockChoice(gpu, { reading, ...sizes, lists, scoreBuffer, ...kernels });
  }

  /** What attention binds in the place of rows and directory. */
  get lists(): ChosenLists {
    return this.#parts.lists;
  }

  /** Queues how many records a step's rows read; most of them. */
  write(rows: readonly Row[]): void {
    const { reading, kvHeadCount, groupSize, listCountMax, lists, share } = this.#parts;
    reading.count(rows);
    if (share !== null) {
      const limits = rows.map((row) => {
        const own = reading.shareOf(row);
        return own >= 1 ? NO_LIMIT : own * groupSize;
      });
      this.#gpu.write(share.limits, 0, Float32Array.from(limits));
    }
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
    const { reading, scores, select, bound, storeOf, unpacked } = this.#parts;
    const own = bound[storeOf(layer)];
    if (own === null || listCount === 0) return 0;
    const rowCount = rows.length;
    if (unpacked !== null) {
      const [{ listStart }] = rows;
      invariant(rows.every((row) => row.listStart === listStart), "rows read one list");
      unpacked.unpacker.encode(pass, storeOf(layer), listCount);
    }
    scores.encode(pass, own.scores, { rowCount, listCount });
    select.encode(pass, own.select, rowCount);
    return Math.max(...rows.map((row) => reading.chosenCount(row)));
  }

  /** Frees its buffers. */
  destroy(): void {
    const { reading, lists, scoreBuffer, share, unpacked } = this.#parts;
    unpacked?.unpacker.destroy();
    reading.sets = null;
    const own = [...Object.values(share ?? {}), ...unpacked === null ? [] : [unpacked.tiles]];
    for (const buffer of [lists.rows, lists.lists, scoreBuffer, ...own]) {
      this.#gpu.destroyBuffer(buffer);
    }
  }
}

/** Room for the records of a list as raw tiles; null where the arena has those. */
async function unpackedTiles(
  gpu: Gpu,
  { cache, group: { rows }, readers }: Pick<AttentionOptions, "cache" | "group" | "readers">,
): Promise<Parts["unpacked"]> {
  const { blockCountMax, tileWords } = cache.shape;
  const tiles = gpu.createBuffer("tiles to score", blockCountMax * tileWords * WORD_SIZE_BYTES);
  const unpacker = await readers.unpacker({ rows, tiles });
  if (unpacker !== null) return { unpacker, tiles };
  gpu.destroyBuffer(tiles);
  return null;
}

/** What chooses by scores: so many, or by the share of attention that they have. */
async function makeSelect(
  gpu: Gpu,
  { cache, group: { rowCountMax }, sealedShape: shape }: Pick<
    AttentionOptions,
    "cache" | "group" | "sealedShape"
  >,
  reading: Reading,
): Promise<
  Pick<Parts, "select" | "share"> & {
    bindSelect: (buffers: BlockSelectBuffers, store: number) => GPUBindGroup;
  }
> {
  const { kvHeadCount } = shape;
  const listCountMax = cache.shape.blockCountMax;
  if (reading.method.share === null) {
    const select = await BlockSelectKernel.create(gpu, { kvHeadCount, listCountMax });
    return { select, share: null, bindSelect: (buffers) => select.bind(buffers) };
  }
  const select = await BlockShareKernel.create(gpu, { ...shape, listCountMax });
  const words = setWords(listCountMax);
  const storeWords = alignUp(rowCountMax * kvHeadCount * words, BINDING_ALIGN_WORDS);
  const storeBytes = storeWords * WORD_SIZE_BYTES;
  const share = {
    limits: gpu.createBuffer("shares to read", rowCountMax * WORD_SIZE_BYTES),
    sets: gpu.createBuffer("chosen sets", cache.summaries.length * storeBytes),
  };
  reading.sets = { buffer: share.sets, storeWords, kvHeadCount, setWords: words };
  return {
    select,
    share,
    bindSelect: (buffers, store) => {
      const sets = { buffer: share.sets, offset: store * storeBytes, size: storeBytes };
      return select.bind({ ...buffers, limits: share.limits, sets });
    },
  };
}
