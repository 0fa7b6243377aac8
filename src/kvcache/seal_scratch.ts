/**
 * Scratch of the blocks that one step measures, at most one per slot: `codec/scratch.ts`.
 *
 * @module
 */

import type { HeadShape } from "../codec/raw_tile.ts";
import type { RepackRule } from "../codec/repack.ts";
import { scratchWords } from "../codec/scratch.ts";
import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { KvCache } from "./kv_cache.ts";

/** Words of a job of measuring. */
export const JOB_WORDS = 4;

/** Buffers that quantising, measuring and packing share. */
export interface SealScratch {
  measureJobs: GPUBuffer;
  codes: GPUBuffer;
  params: GPUBuffer;
  /** Empty unless tokens are repacked greedily. */
  ranges: GPUBuffer;
  order: GPUBuffer;
  sizes: GPUBuffer;
  flags: GPUBuffer;
}

/** Makes a buffer with so many words for each slot. */
export function slotBuffer(
  gpu: Gpu,
  { cache }: { cache: KvCache },
  [label, wordsPerSlot]: [label: string, wordsPerSlot: number],
): GPUBuffer {
  const { slotCount } = cache.shape;
  return gpu.createBuffer(`seal ${label}`, slotCount * wordsPerSlot * WORD_SIZE_BYTES);
}

/** Makes the buffers for one block of each slot. */
export function createScratch(
  gpu: Gpu,
  options: {
    cache: KvCache;
    layout: HeadShape & { sectionCount: number };
    repack: RepackRule;
  },
): SealScratch {
  const { cache, layout, repack } = options;
  const words = scratchWords(layout, cache.sealed.length);
  const make = (label: string, wordsPerSlot: number) =>
    slotBuffer(gpu, options, [label, wordsPerSlot]);
  return {
    measureJobs: make("measure jobs", JOB_WORDS),
    codes: make("codes", words.codes),
    params: make("params", words.params),
    ranges: make("ranges", repack === "greedy" ? words.ranges : 0),
    order: make("order", words.order),
    sizes: make("sizes", words.sizes),
    flags: make("flags", words.flags),
  };
}
