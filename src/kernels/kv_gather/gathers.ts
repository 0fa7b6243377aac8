/**
 * The contents of a buffer of gathers, which kernels of all codecs read alike.
 *
 * @module
 */

import { NO_RECORD } from "../../core/row.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";

/** Words before the sources of a store. */
export const HEADER_WORDS = 4;
/** Words of one store of a gather. */
export const GATHER_WORDS: number = HEADER_WORDS + 2 * BLOCK_TOKEN_COUNT;

/** One block to put together of the tokens of others. */
export interface GatherJob {
  /** Entry of the scratch buffers that it is put in. */
  scratchIndex: number;
  /** By store: `{word of the record, place}` of each token. */
  sources: readonly Uint32Array[];
  /** By store: the record with the sinks; null if the block has none. */
  sinkRecords: readonly number[] | null;
  /**
   * By store: channels of K that stay, 32 to a word; null if all stay. Only of codecs whose records
   * can drop some.
   */
  keptChannels: readonly Uint32Array[] | null;
}

/** u32 `[gather][store][GATHER_WORDS]`. */
export function gatherWords(jobs: readonly GatherJob[]): Uint32Array<ArrayBuffer> {
  const storeCount = jobs[0]?.sources.length ?? 0;
  const words = new Uint32Array(jobs.length * storeCount * GATHER_WORDS);
  for (const [index, { scratchIndex, sources, sinkRecords }] of jobs.entries()) {
    for (const [store, own] of sources.entries()) {
      const start = (index * storeCount + store) * GATHER_WORDS;
      words.set([scratchIndex, own.length / 2, sinkRecords?.[store] ?? NO_RECORD, 0], start);
      words.set(own, start + HEADER_WORDS);
    }
  }
  return words;
}

/**
 * Which channels of K stay: u32 `[gather][store][sectionCount]`, a bit for each.
 *
 * @param sectionCount Groups of 32 channels of K.
 */
export function keptChannelWords(
  jobs: readonly GatherJob[],
  sectionCount: number,
): Uint32Array<ArrayBuffer> {
  const storeCount = jobs[0]?.sources.length ?? 0;
  const words = new Uint32Array(jobs.length * storeCount * sectionCount).fill(0xffffffff);
  for (const [index, { keptChannels }] of jobs.entries()) {
    keptChannels?.forEach((own, store) =>
      words.set(own, (index * storeCount + store) * sectionCount)
    );
  }
  return words;
}
