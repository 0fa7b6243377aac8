/**
 * What decode rows read of the sealed blocks of a layer that chooses: blocks are scored by their
 * summaries, and each row and KV head gets a read list of the best ones.
 *
 * @module
 */

import { EngineError, invariant } from "../core/errors.ts";
import { ENTRY_WORDS, type Row, ROW_WORDS, rowWords } from "../core/row.ts";
import { alignUp, divExact, WORD_SIZE_BYTES } from "../core/shapes.ts";
import { BINDING_ALIGNMENT_BYTES, type Gpu } from "../gpu/gpu.ts";
import type { CommandChain } from "../gpu/command_chain.ts";
import { ReadBack } from "../gpu/read_back.ts";
import { BlockShareKernel, setWords } from "../kernels/block_select/share.ts";
import { type BlockSelectBuffers, BlockSelectKernel } from "../kernels/block_select/top.ts";
import type { AttentionShape } from "../kernels/text/attention.ts";
import type { ChosenLists } from "../kvcache/block_reader.ts";
import { ChosenSets } from "../kvcache/chosen_sets.ts";
import type { CacheShape } from "../kvcache/cache_shape.ts";
import type { Reading, ReadMethod } from "../kvcache/reading.ts";
import {
  BLOCK_SCORERS,
  blockPartsBytes,
  type BlockScorer,
  type ScorerOptions,
} from "./block_scorers.ts";

interface Parts {
  reading: Reading;
  kvHeadCount: number;
  groupSize: number;
  listCountMax: number;
  lists: ChosenLists;
  scoreBuffer: GPUBuffer;
  scorer: BlockScorer;
  select: BlockSelectKernel | BlockShareKernel;
  /** What rows that read a share of their attention bind beside; null if they count blocks. */
  share: ShareBuffers | null;
  /** What the choice binds, by store; null for one that no layer chooses of. */
  bound: readonly (GPUBindGroup | null)[];
  storeOf: (layer: number) => number;
  /** Layers that choose. */
  choosingCount: number;
  /** Where choices are read in the middle of a step; null if nobody does. */
  readBack: ReadBack | null;
}

interface ShareBuffers {
  limits: GPUBuffer;
  sets: GPUBuffer;
}

/** What no sum of attention exceeds: all blocks are chosen. */
const NO_LIMIT = 1e30;

const BINDING_ALIGN_WORDS = BINDING_ALIGNMENT_BYTES / WORD_SIZE_BYTES;

/** What sizes of choices follow from. */
interface ChoiceOf {
  shape: Pick<AttentionShape, "queryHeadCount" | "kvHeadCount">;
  /** Of the group. */
  rowCountMax: number;
  method: ReadMethod;
}

/** Bytes of each buffer that a choice works in; 0 of those that its method has not. */
export function choiceSizes(
  { stores, blockCountMax }: Pick<CacheShape, "stores" | "blockCountMax">,
  { shape: { queryHeadCount, kvHeadCount }, rowCountMax, method }: ChoiceOf,
) {
  const headCount = rowCountMax * kvHeadCount;
  const setBytes = alignUp(headCount * setWords(blockCountMax), BINDING_ALIGN_WORDS) *
    WORD_SIZE_BYTES;
  const isShare = method.share !== null;
  return {
    rows: rowCountMax * ROW_WORDS * WORD_SIZE_BYTES,
    lists: headCount * blockCountMax * ENTRY_WORDS * WORD_SIZE_BYTES,
    scores: headCount * blockCountMax * WORD_SIZE_BYTES,
    parts: method.scoredBy === "keys"
      ? blockPartsBytes(rowCountMax * queryHeadCount, blockCountMax)
      : 0,
    limits: isShare ? rowCountMax * WORD_SIZE_BYTES : 0,
    sets: isShare ? stores.length * setBytes : 0,
    readBack: method.valueShare === null ? 0 : setBytes,
  };
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
    options: Omit<ScorerOptions, "scores">,
    reading: Reading,
  ): Promise<BlockChoice> {
    const { cache, group: { rows, rowCountMax }, sealedShape: shape } = options;
    const { kvHeadCount } = shape;
    const listCountMax = cache.shape.blockCountMax;
    const sizes = choiceSizes(cache.shape, { shape, rowCountMax, method: reading.method });
    const lists = {
      rows: gpu.createBuffer("rows that choose", sizes.rows),
      lists: gpu.createBuffer("chosen read lists", sizes.lists),
    };
    const scoreBuffer = gpu.createBuffer("block scores", sizes.scores);
    const { method } = reading;
    const scored = { ...options, scores: scoreBuffer };
    const scorer = await BLOCK_SCORERS[method.scoredBy](gpu, scored, method);
    const { select, bindSelect, share } = await makeSelect(gpu, options, { reading, sizes });
    const bound = cache.shape.stores.map(({ layer, isChosenOf }, store) => {
      if (!isChosenOf) return null;
      const directory = cache.directoryOf(layer);
      const chosen = { rows, directory, scores: scoreBuffer };
      return bindSelect({ ...chosen, chosen: lists.rows, lists: lists.lists }, store);
    });
    const storeOf = (layer: number) => cache.storeOf(layer);
    const groupSize = divExact(shape.queryHeadCount, kvHeadCount);
    const layers = [...cache.shape.storeOf.keys()];
    const choosingCount = layers.filter((layer) => cache.choosesOf(layer)).length;
    const counts = { kvHeadCount, groupSize, listCountMax, choosingCount };
    const kernels = { scorer, select, bound, storeOf, share };
    const readBack = method.valueShare === null ? null : chosenReadBack(gpu, reading);
    return new BlockChoice(gpu, { reading, ...counts, lists, scoreBuffer, ...kernels, readBack });
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

  /** Encodes the choice of a layer. */
  encode(
    pass: GPUComputePassEncoder,
    layer: number,
    { rows, listCount }: { rows: readonly Row[]; listCount: number },
  ): void {
    const { scorer, select, bound, storeOf } = this.#parts;
    const own = bound[storeOf(layer)];
    invariant(own !== null, "the layer chooses");
    scorer.encode(pass, layer, { rows, listCount });
    select.encode(pass, own, rows.length);
  }

  /** The most records that a row and KV head reads. */
  chosenCountMax(rows: readonly Row[]): number {
    return Math.max(...rows.map((row) => this.#parts.reading.chosenCount(row)));
  }

  /**
   * Runs what is encoded, the choice of a layer at its end, and reads it.
   *
   * @returns Entries of read lists, some several times: what any KV head of each row reads.
   */
  readNow(
    commands: CommandChain,
    layer: number,
    rows: readonly Row[],
  ): { slot: number; listIndex: number }[] {
    const { reading, readBack, choosingCount, storeOf } = this.#parts;
    const { sets } = reading;
    invariant(readBack !== null && sets !== null, "choices are read");
    const sizeBytes = sets.storeWords * WORD_SIZE_BYTES;
    const offsetBytes = storeOf(layer) * sizeBytes;
    readBack.encodeCopy(commands.encoder, sets.buffer, { offsetBytes, sizeBytes });
    commands.submit();
    const chosen = new ChosenSets(new Uint32Array(readBack.readNow(sizeBytes)), sets);
    const entries: { slot: number; listIndex: number }[] = [];
    let leftOut = 0;
    for (const [row, { slot, listCount }] of rows.entries()) {
      const { blocks, meanCount } = chosen.ofRow({ store: 0, row }, listCount);
      entries.push(...blocks.map((listIndex) => ({ slot, listIndex })));
      leftOut += listCount - meanCount;
    }
    reading.countLeftOut(leftOut / choosingCount);
    return entries;
  }

  /** Frees its buffers. */
  destroy(): void {
    const { reading, lists, scoreBuffer, share, scorer, readBack } = this.#parts;
    scorer.destroy();
    readBack?.destroy();
    reading.sets = null;
    for (const buffer of [lists.rows, lists.lists, scoreBuffer, ...Object.values(share ?? {})]) {
      this.#gpu.destroyBuffer(buffer);
    }
  }
}

/**
 * Where the choice of a layer is read.
 *
 * @throws {EngineError} `adapter_unsupported` if reading it would take a fixed time to sleep.
 */
function chosenReadBack(gpu: Gpu, { sets }: Reading): ReadBack {
  invariant(sets !== null, "shares are read");
  const sizeBytes = sets.storeWords * WORD_SIZE_BYTES;
  const readBack = ReadBack.create(gpu, "chosen blocks", sizeBytes);
  if (readBack.isSynchronous) return readBack;
  throw new EngineError(
    "adapter_unsupported",
    "Cannot keep values in host memory: each layer waits for what it chose, and results of the " +
      "device can only be read with a pause here",
  );
}

/** What chooses by scores: so many, or by the share of attention that they have. */
async function makeSelect(
  gpu: Gpu,
  { cache, sealedShape: shape }: Pick<ScorerOptions, "cache" | "sealedShape">,
  { reading, sizes }: { reading: Reading; sizes: ReturnType<typeof choiceSizes> },
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
  const storeBytes = sizes.sets / cache.shape.stores.length;
  const share = {
    limits: gpu.createBuffer("shares to read", sizes.limits),
    sets: gpu.createBuffer("chosen sets", sizes.sets),
  };
  reading.sets = {
    buffer: share.sets,
    storeWords: storeBytes / WORD_SIZE_BYTES,
    kvHeadCount,
    setWords: setWords(listCountMax),
  };
  return {
    select,
    share,
    bindSelect: (buffers, store) => {
      const sets = { buffer: share.sets, offset: store * storeBytes, size: storeBytes };
      return select.bind({ ...buffers, limits: share.limits, sets });
    },
  };
}
