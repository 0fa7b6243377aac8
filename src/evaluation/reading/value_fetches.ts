/**
 * What rows fetch that read values of chosen blocks from host memory: those of blocks that the row
 * before did not read.
 *
 * @module
 */

import type { ChosenSets } from "../../runtime/sequence_run.ts";

/** What rows that follow each other choose of the same sealed blocks. */
export interface ChosenRows {
  sets: Pick<ChosenSets, "has">;
  /** Stores of which they choose. */
  stores: readonly number[];
  kvHeadCount: number;
  /** Blocks that each row and KV head may choose. */
  blockCount: number;
  rowCount: number;
}

/** Counts over rows. */
export interface FetchCounts {
  /** Blocks that were chosen, of those that could be: by row, store and KV head. */
  chosen: number;
  readable: number;
  /** Blocks of a store with values of some KV head to be fetched; the first row counts none. */
  fetched: number;
  /** Rows behind another one. */
  followingRows: number;
}

/** Counts of nothing. */
export function noFetches(): FetchCounts {
  return { chosen: 0, readable: 0, fetched: 0, followingRows: 0 };
}

/** Adds what rows chose. */
export function addFetches(sum: FetchCounts, rows: ChosenRows): void {
  const { sets, stores, kvHeadCount, blockCount, rowCount } = rows;
  for (const store of stores) {
    for (let row = 0; row < rowCount; row++) {
      for (let block = 0; block < blockCount; block++) {
        let isFetched = false;
        for (let kvHead = 0; kvHead < kvHeadCount; kvHead++) {
          const at = { store, kvHead, block };
          if (!sets.has({ ...at, row })) continue;
          sum.chosen++;
          isFetched ||= row > 0 && !sets.has({ ...at, row: row - 1 });
        }
        if (isFetched) sum.fetched++;
      }
      sum.readable += kvHeadCount * blockCount;
    }
  }
  sum.followingRows += Math.max(0, rowCount - 1);
}

/** Values in host memory, beside keys on the device; names as printed, bytes of sealed blocks. */
export interface HostValues {
  /** Sealed blocks chosen of those that could be, in layers that choose. */
  chosen_share: number;
  /** Blocks whose values a token fetches, over all layers. */
  fetched_blocks: number;
  /** All keys. */
  key_bytes: number;
  /** All values, in host memory but for those of layers that read everything. */
  value_bytes: number;
  /** Keys, values of layers that read everything, and room for what a token chooses on average. */
  device_bytes: number;
  /** Both as f16. */
  f16_bytes: number;
}

/**
 * What values in host memory come to.
 *
 * @param options `denseShare`: of the layers that are sealed, those that read everything.
 */
export function hostValues(
  { chosen, readable, fetched, followingRows }: FetchCounts,
  { bytes: { k, v }, denseShare }: {
    bytes: Record<"k" | "v", { raw: number; packed: number }>;
    denseShare: number;
  },
): HostValues {
  const chosenShare = readable === 0 ? 0 : chosen / readable;
  const valuesOnDevice = denseShare + (1 - denseShare) * chosenShare;
  return {
    chosen_share: chosenShare,
    fetched_blocks: followingRows === 0 ? 0 : fetched / followingRows,
    key_bytes: k.packed,
    value_bytes: v.packed,
    device_bytes: k.packed + v.packed * valuesOnDevice,
    f16_bytes: k.raw + v.raw,
  };
}
