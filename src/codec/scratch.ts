/**
 * The device buffers between quantising and packing, and the jobs of the kernels that fill them.
 *
 * A job is one block of one sequence, all stores that seal; `store` counts these alone. Scratch
 * buffers hold one entry per job:
 * - codes: u8 `[job][store][side][kvHeadCount * headSize][64]`, four tokens to a word;
 * - params: u32 `[job][store][side][64]`, token parameters in original order;
 * - ranges: u32 `[job][store][side][kvHeadCount * headSize]`, used by greedy repacking alone;
 * - order: u32 `[job][store][64]`, the original token at each packed place;
 * - sizes: u32 `[job][store][2 * kvHeadCount]`, payload words of each section;
 * - flags: u32 `[job]`, not 0 if the block holds infinity or NaN.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import { KEY, VALUE } from "./record.ts";
import type { QuantisedBlock } from "./quantised.ts";
import type { HeadShape } from "./raw_tile.ts";

/** One block to quantise, measure or pack. */
export interface PackJob {
  /** Slot of the sequence in the raw window. */
  slot: number;
  /** Raw tile of the slot. */
  tile: number;
  /** Tokens present, 1 to 64. */
  tokenCount: number;
  /** Entry of the scratch buffers that packing reads; 0 where the job's own index is meant. */
  scratchIndex: number;
}

/** Words per job of each scratch buffer. */
export interface ScratchWords {
  /** Words of codes per job. */
  codes: number;
  /** Words of token parameters per job. */
  params: number;
  /** Words of the ranges of greedy repacking per job. */
  ranges: number;
  /** Words of packed order per job. */
  order: number;
  /** Words of section sizes per job. */
  sizes: number;
  /** Words of flags per job. */
  flags: number;
}

/** What ordering and packing codes depends on. */
export interface CodedLayout extends HeadShape {
  /** Tokens per pack. */
  packSize: number;
  /** Bits of a K code. */
  keyBits: number;
  /** Bits of a V code. */
  valueBits: number;
}

/** Words of the codes of one channel: a byte for each token. */
export const CHANNEL_CODE_WORDS = BLOCK_TOKEN_COUNT / 4;

/** Words of codes of one side of one store. */
export function sideCodeWords(shape: HeadShape): number {
  return shape.kvHeadCount * shape.headSize * CHANNEL_CODE_WORDS;
}

/** Words per job of the scratch buffers of a cache with `storeCount` sealed stores. */
export function scratchWords(
  layout: HeadShape & { sectionCount: number },
  storeCount: number,
): ScratchWords {
  return {
    codes: storeCount * 2 * sideCodeWords(layout),
    params: storeCount * 2 * BLOCK_TOKEN_COUNT,
    ranges: storeCount * 2 * layout.kvHeadCount * layout.headSize,
    order: storeCount * BLOCK_TOKEN_COUNT,
    sizes: storeCount * layout.sectionCount,
    flags: 1,
  };
}

/** The contents of a jobs buffer: four words per job. */
export function packJobWords(jobs: readonly PackJob[]): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(
    jobs.flatMap(({ slot, tile, tokenCount, scratchIndex }) => [
      slot,
      tile,
      tokenCount,
      scratchIndex,
    ]),
  );
}

/**
 * One store of one job of the scratch buffers.
 *
 * @param at `entry` is `job * storeCount + store`.
 */
export function scratchBlock(
  shape: HeadShape,
  scratch: { codes: Uint8Array; params: Uint32Array },
  at: { entry: number; tokenCount: number },
): QuantisedBlock {
  const sideBytes = sideCodeWords(shape) * 4;
  const [key, value] = [KEY, VALUE].map((side) => {
    const index = at.entry * 2 + side;
    return {
      codes: scratch.codes.subarray(index * sideBytes, (index + 1) * sideBytes),
      params: scratch.params.subarray(index * BLOCK_TOKEN_COUNT, (index + 1) * BLOCK_TOKEN_COUNT),
    };
  });
  return { tokenCount: at.tokenCount, sides: [key, value] };
}
