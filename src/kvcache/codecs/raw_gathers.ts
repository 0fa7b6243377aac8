/**
 * Raw blocks that are made of tokens of others: gathered into scratch tiles by one step, copied to
 * the arena by the next.
 *
 * @module
 */

import { NO_RECORD } from "../../core/row.ts";
import { WORD_SIZE_BYTES } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { GATHER_WORDS, type GatherJob, gatherWords } from "../../kernels/kv_gather/gathers.ts";
import { KvGatherRawKernel } from "../../kernels/kv_gather/raw.ts";
import type { PackOp } from "../../scheduler/step_plan.ts";
import { encodeByGroup } from "../block_sealer.ts";
import type { KvCache } from "../kv_cache.ts";

/** Scratch and kernel of one cache; the scratch is made when it is first needed. */
export class RawGathers {
  #gpu: Gpu;
  #cache: KvCache;
  #kernel: KvGatherRawKernel;
  #scratch: { gathers: GPUBuffer; tiles: GPUBuffer; bound: GPUBindGroup[] } | null = null;

  private constructor(gpu: Gpu, cache: KvCache, kernel: KvGatherRawKernel) {
    this.#gpu = gpu;
    this.#cache = cache;
    this.#kernel = kernel;
  }

  /** Compiles the kernel. */
  static async create(gpu: Gpu, cache: KvCache): Promise<RawGathers> {
    const { kvHeadCount, headSize } = cache.shape;
    const options = { shape: { kvHeadCount, headSize }, storeCount: cache.sealed.length };
    return new RawGathers(gpu, cache, await KvGatherRawKernel.create(gpu, options));
  }

  /** Encodes the gathers of a step. */
  encode(encoder: GPUCommandEncoder, jobs: readonly GatherJob[]): void {
    if (jobs.length === 0) return;
    const { gathers, bound } = this.#scratch ??= this.#createScratch();
    this.#gpu.write(gathers, 0, gatherWords(jobs));
    encodeByGroup(encoder, { cache: this.#cache, kernel: this.#kernel, bound }, jobs.length);
  }

  /** Encodes the copy of a gathered block to its records; those without tokens have none. */
  encodePack(encoder: GPUCommandEncoder, { jobIndex, recordOffsets, tokenCounts }: PackOp): void {
    const { sealed, shape: { tileWords } } = this.#cache;
    const sizeBytes = tileWords * WORD_SIZE_BYTES;
    const { tiles } = this.#scratch!;
    for (const [index, { store }] of sealed.entries()) {
      if (tokenCounts?.[store] === 0 || recordOffsets[store] === NO_RECORD) continue;
      const from = (jobIndex * sealed.length + index) * sizeBytes;
      const to = recordOffsets[store] * WORD_SIZE_BYTES;
      const arena = this.#cache.arenaOfStore(store);
      encoder.copyBufferToBuffer(tiles, from, arena, to, sizeBytes);
    }
  }

  #createScratch() {
    const { sealed, sealedGroups, arenas, shape: { slotCount, tileWords } } = this.#cache;
    const wordsPerSlot = sealed.length * WORD_SIZE_BYTES;
    const gathers = this.#gpu.createBuffer("gathers", slotCount * wordsPerSlot * GATHER_WORDS);
    const tiles = this.#gpu.createBuffer("gathered tiles", slotCount * wordsPerSlot * tileWords);
    const bound = sealedGroups.map(({ first }, group) =>
      this.#kernel.bind({ gathers, tiles, arena: arenas[group] }, first)
    );
    return { gathers, tiles, bound };
  }

  /** Frees its buffers. */
  destroy(): void {
    if (this.#scratch) {
      for (const buffer of [this.#scratch.gathers, this.#scratch.tiles]) {
        this.#gpu.destroyBuffer(buffer);
      }
    }
    this.#kernel.destroy();
  }
}
