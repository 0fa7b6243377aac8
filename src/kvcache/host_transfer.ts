/**
 * Blocks between the device and host memory: copied out behind the rows of a step, written in
 * before them.
 *
 * @module
 */

import { windowTile, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { ReadBack, readBuffer } from "../gpu/read_back.ts";
import type { Extent } from "../scheduler/allocator.ts";
import type { LoadOp, SaveOp, SwapOp } from "../scheduler/step_plan.ts";
import type { KvCache } from "./kv_cache.ts";

/** Most bytes of a staging buffer of swapped blocks, unless one block has more. */
const SWAP_SIZE_BYTES_MAX = 2 ** 26;

/** Blocks on their way to the host. */
export interface StagedBlocks {
  readBack: ReadBack;
  blocks: readonly Pick<SaveOp, "key" | "recordWords">[];
}

/** Moves blocks of one cache, and holds those that are in host memory. */
export class HostTransfer {
  /** Words of all stores, one after the other, by key. */
  readonly blocks = new Map<string, Uint32Array<ArrayBuffer>>();
  /** Blocks that are loaded once, and are not held in host memory. */
  #staged = new Map<string, Uint32Array<ArrayBuffer>>();
  #gpu: Gpu;
  #cache: KvCache;
  #readBacks: ReadBack[];
  #nextReadBack = 0;

  /**
   * @param options `stepCount` steps may be encoded and not read; each saves at most
   * `saveWordCountMax` words.
   */
  constructor(
    gpu: Gpu,
    cache: KvCache,
    options: { stepCount: number; saveWordCountMax: number },
  ) {
    this.#gpu = gpu;
    this.#cache = cache;
    const sizeBytes = options.saveWordCountMax * WORD_SIZE_BYTES;
    this.#readBacks = Array.from(
      { length: sizeBytes === 0 ? 0 : options.stepCount },
      (_, index) => ReadBack.create(gpu, `saved blocks ${index}`, sizeBytes),
    );
  }

  /** Takes the words of a block that a step is about to load once. */
  stage(key: string, words: Uint32Array<ArrayBuffer>): void {
    this.#staged.set(key, words);
  }

  /** Queues the words of a block for the step that is encoded next. */
  load({ key, target }: LoadOp): void {
    const words = this.#staged.get(key) ?? this.blocks.get(key);
    this.#staged.delete(key);
    if (words === undefined) throw new TypeError(`Cannot load block ${key}: it is not on the host`);
    let start = 0;
    if ("extents" in target) {
      target.extents.forEach(({ offset, wordCount }, group) => {
        if (wordCount === 0) return;
        const part = words.subarray(start, start + wordCount);
        this.#gpu.write(this.#cache.arenas[group], offset * WORD_SIZE_BYTES, part);
        start += wordCount;
      });
      return;
    }
    const { stores } = this.#cache.shape;
    for (const [store, window] of this.#cache.windows.entries()) {
      const { tileWords, isSealed } = stores[store];
      const own = words.subarray(start, start + tileWords);
      start += tileWords;
      if (isSealed && target.inLongRingsOnly) continue;
      this.#gpu.write(window, this.#tileRange(target, store).offsetBytes, own);
    }
  }

  /** Encodes the copies of blocks to a staging buffer; null if there are none. */
  encodeSaves(encoder: GPUCommandEncoder, saves: readonly SaveOp[]): StagedBlocks | null {
    if (saves.length === 0) return null;
    const readBack = this.#readBacks[this.#nextReadBack++ % this.#readBacks.length];
    const sources = saves.map(({ extents }) => ({ extents }));
    this.#encodeCopies(encoder, readBack, sources);
    return { readBack, blocks: saves };
  }

  /** Encodes the copies of preempted sequences to staging buffers of their own. */
  encodeSwaps(encoder: GPUCommandEncoder, swaps: readonly SwapOp[]): StagedBlocks[] {
    return chunksOf(swaps).map((blocks, index) => {
      const sizeBytes = blocks.reduce((sum, block) => sum + wordCountOf(block), 0) *
        WORD_SIZE_BYTES;
      const readBack = ReadBack.create(this.#gpu, `swapped blocks ${index}`, sizeBytes);
      this.#encodeCopies(encoder, readBack, blocks.map(({ source }) => source));
      return { readBack, blocks };
    });
  }

  #encodeCopies(
    encoder: GPUCommandEncoder,
    readBack: ReadBack,
    sources: readonly SwapOp["source"][],
  ): void {
    let targetOffsetBytes = 0;
    const copy = (buffer: GPUBuffer, offsetBytes: number, sizeBytes: number) => {
      readBack.encodeCopy(encoder, buffer, { offsetBytes, sizeBytes, targetOffsetBytes });
      targetOffsetBytes += sizeBytes;
    };
    for (const source of sources) {
      if ("extents" in source) {
        source.extents.forEach(({ offset, wordCount }, group) => {
          if (wordCount === 0) return;
          const buffer = this.#cache.arenas[group];
          copy(buffer, offset * WORD_SIZE_BYTES, wordCount * WORD_SIZE_BYTES);
        });
        continue;
      }
      for (const [store, window] of this.#cache.windows.entries()) {
        const { offsetBytes, sizeBytes } = this.#tileRange(source, store);
        copy(window, offsetBytes, sizeBytes);
      }
    }
  }

  /** Where a tile lies in the window of a store. */
  #tileRange({ slot, blockIndex }: { slot: number; blockIndex: number }, store: number) {
    const { tileWords, tileCount } = this.#cache.shape.stores[store];
    const sizeBytes = tileWords * WORD_SIZE_BYTES;
    const tile = windowTile(slot, blockIndex, tileCount);
    return { offsetBytes: tile * sizeBytes, sizeBytes };
  }

  /** Takes the blocks of a submitted step into host memory. */
  async readStaged({ readBack, blocks }: StagedBlocks): Promise<void> {
    const counts = blocks.map(wordCountOf);
    const wordCount = counts.reduce((sum, count) => sum + count, 0);
    const words = new Uint32Array(await readBack.read(wordCount * WORD_SIZE_BYTES));
    let start = 0;
    blocks.forEach(({ key }, index) => {
      this.blocks.set(key, words.slice(start, start + counts[index]));
      start += counts[index];
    });
    if (!this.#readBacks.includes(readBack)) readBack.destroy();
  }

  /** Reads a block of all stores from the arenas; its memory must not be reused until then. */
  async readBlock(extents: readonly Extent[]): Promise<Uint32Array<ArrayBuffer>> {
    const words = new Uint32Array(extents.reduce((sum, { wordCount }) => sum + wordCount, 0));
    let start = 0;
    for (const [group, { offset, wordCount }] of extents.entries()) {
      if (wordCount === 0) continue;
      const range = {
        offsetBytes: offset * WORD_SIZE_BYTES,
        sizeBytes: wordCount * WORD_SIZE_BYTES,
      };
      const bytes = await readBuffer(this.#gpu, this.#cache.arenas[group], range);
      words.set(new Uint32Array(bytes), start);
      start += wordCount;
    }
    return words;
  }

  /** Frees the staging buffers. */
  destroy(): void {
    for (const readBack of this.#readBacks) readBack.destroy();
    this.blocks.clear();
  }
}

function wordCountOf({ recordWords }: Pick<SaveOp, "recordWords">): number {
  return recordWords.reduce((sum, count) => sum + count, 0);
}

/** Blocks in order, in runs of bounded size. */
function chunksOf(blocks: readonly SwapOp[]): SwapOp[][] {
  const chunks: SwapOp[][] = [];
  let sizeBytes = Infinity;
  for (const block of blocks) {
    const blockBytes = wordCountOf(block) * WORD_SIZE_BYTES;
    if (sizeBytes + blockBytes > SWAP_SIZE_BYTES_MAX) {
      chunks.push([]);
      sizeBytes = 0;
    }
    chunks.at(-1)!.push(block);
    sizeBytes += blockBytes;
  }
  return chunks;
}
