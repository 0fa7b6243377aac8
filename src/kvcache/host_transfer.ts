/**
 * Blocks between the device and host memory: copied out behind the rows of a step, written in
 * before them.
 *
 * @module
 */

import { WINDOW_TILE_COUNT, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { ReadBack, readBuffer } from "../gpu/read_back.ts";
import type { Extent } from "../scheduler/allocator.ts";
import type { LoadOp, SaveOp } from "../scheduler/step_plan.ts";
import type { KvCache } from "./kv_cache.ts";

/** Moves blocks of one cache, and holds those that are in host memory. */
export class HostTransfer {
  /** Words of all layers, one after the other, by key. */
  readonly blocks = new Map<string, Uint32Array<ArrayBuffer>>();
  /** Blocks that are loaded once, and are not held in host memory. */
  #staged = new Map<string, Uint32Array<ArrayBuffer>>();
  #gpu: Gpu;
  #cache: KvCache;
  #readBacks: ReadBack[];
  #nextReadBack = 0;

  /**
   * @param options `stepCount` steps may be recorded and not read; each saves at most
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

  /** Takes the words of a block that a step is about to load, for that once. */
  stage(key: string, words: Uint32Array<ArrayBuffer>): void {
    this.#staged.set(key, words);
  }

  /** Queues the words of a block for the step that is recorded next. */
  load({ key, target }: LoadOp): void {
    const words = this.#staged.get(key) ?? this.blocks.get(key);
    this.#staged.delete(key);
    if (words === undefined) throw new TypeError(`Cannot load block ${key}: it is not on the host`);
    let start = 0;
    if ("extents" in target) {
      target.extents.forEach(({ offset, wordCount }, group) => {
        const part = words.subarray(start, start + wordCount);
        this.#gpu.write(this.#cache.arenas[group], offset * WORD_SIZE_BYTES, part);
        start += wordCount;
      });
      return;
    }
    const { tileWords } = this.#cache.shape;
    const tile = target.slot * WINDOW_TILE_COUNT + target.blockIndex % WINDOW_TILE_COUNT;
    for (const window of this.#cache.windows) {
      const part = words.subarray(start, start + tileWords);
      this.#gpu.write(window, tile * tileWords * WORD_SIZE_BYTES, part);
      start += tileWords;
    }
  }

  /** Records the copies of blocks to a staging buffer; null if there are none. */
  recordSaves(encoder: GPUCommandEncoder, saves: readonly SaveOp[]): ReadBack | null {
    if (saves.length === 0) return null;
    const readBack = this.#readBacks[this.#nextReadBack++ % this.#readBacks.length];
    let targetOffsetBytes = 0;
    for (const { extents } of saves) {
      extents.forEach(({ offset, wordCount }, group) => {
        const sizeBytes = wordCount * WORD_SIZE_BYTES;
        const range = { offsetBytes: offset * WORD_SIZE_BYTES, sizeBytes, targetOffsetBytes };
        readBack.recordCopy(encoder, this.#cache.arenas[group], range);
        targetOffsetBytes += sizeBytes;
      });
    }
    return readBack;
  }

  /** Takes the blocks of a submitted step into host memory. */
  async readSaves(readBack: ReadBack, saves: readonly SaveOp[]): Promise<void> {
    const counts = saves.map(({ recordWords }) => recordWords.reduce((sum, count) => sum + count));
    const wordCount = counts.reduce((sum, count) => sum + count, 0);
    const words = new Uint32Array(await readBack.read(wordCount * WORD_SIZE_BYTES));
    let start = 0;
    saves.forEach(({ key }, index) => {
      this.blocks.set(key, words.slice(start, start + counts[index]));
      start += counts[index];
    });
  }

  /** Reads a block of all layers off the arenas; nobody may take its memory meanwhile. */
  async readBlock(extents: readonly Extent[]): Promise<Uint32Array<ArrayBuffer>> {
    const words = new Uint32Array(extents.reduce((sum, { wordCount }) => sum + wordCount, 0));
    let start = 0;
    for (const [group, { offset, wordCount }] of extents.entries()) {
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
