/**
 * Tiles: rows that go through one expert together. A row goes through several experts; each pair is
 * an entry, `row * usedCount + rank`.
 *
 * @module
 */

/** Words of a tile on the device: entries `[4]`, expert, count, two unused. */
export const TILE_WORDS = 8;

/** How experts are used. */
export interface ExpertCounts {
  /** Experts that there are. */
  expertCount: number;
  /** Experts that a row goes through. */
  usedCount: number;
}

/** Entries of a tile at most, for a step of `rowCount` rows: an expert has each row once. */
export function tileSize(rowCount: number): 1 | 2 | 4 {
  return rowCount <= 2 ? rowCount as 1 | 2 : 4;
}

/** Tiles of `rowCount` rows at most: each expert with entries has one that is not full. */
export function tileCountMax({ expertCount, usedCount }: ExpertCounts, rowCount: number): number {
  const size = tileSize(rowCount);
  const entryCount = rowCount * usedCount;
  return Math.floor((entryCount + (size - 1) * Math.min(expertCount, entryCount)) / size);
}

/** Tiles of any number of rows up to `rowCountMax`, at most. */
export function tileCapacity(counts: ExpertCounts, rowCountMax: number): number {
  return Math.max(...[1, 2, rowCountMax].map((rowCount) => tileCountMax(counts, rowCount)));
}
