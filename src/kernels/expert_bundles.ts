/**
 * Bundles: rows that go through one expert together. A row goes through several experts; each of
 * these is a visit, `row * usedCount + rank`.
 *
 * @module
 */

/** Words of a bundle on the device: visits `[4]`, expert, count, two unused. */
export const BUNDLE_WORDS = 8;

/** How experts are used. */
export interface ExpertCounts {
  /** Experts that there are. */
  expertCount: number;
  /** Experts that a row goes through. */
  usedCount: number;
}

/** Visits of a bundle at most, for a step of `rowCount` rows: an expert has each row once. */
export function bundleSize(rowCount: number): 1 | 2 | 4 {
  return rowCount <= 2 ? rowCount as 1 | 2 : 4;
}

/** Bundles of `rowCount` rows at most: each expert with visits has one that is not full. */
export function bundleCountMax({ expertCount, usedCount }: ExpertCounts, rowCount: number): number {
  const size = bundleSize(rowCount);
  const visitCount = rowCount * usedCount;
  return Math.floor((visitCount + (size - 1) * Math.min(expertCount, visitCount)) / size);
}

/** Bundles of any number of rows up to `rowCountMax`, at most. */
export function bundleCapacity(counts: ExpertCounts, rowCountMax: number): number {
  return Math.max(...[1, 2, rowCountMax].map((rowCount) => bundleCountMax(counts, rowCount)));
}

/**
 * Bundles of rows that each go through all heads, of which each has weights like an expert: visit
 * `row * headCount + head`. As many as {@link bundleCountMax} says; the last are empty.
 */
export function headBundleWords(headCount: number, rowCount: number): Uint32Array<ArrayBuffer> {
  const size = bundleSize(rowCount);
  const counts = { expertCount: headCount, usedCount: headCount };
  const words = new Uint32Array(bundleCountMax(counts, rowCount) * BUNDLE_WORDS);
  let at = 0;
  for (let head = 0; head < headCount; head++) {
    for (let first = 0; first < rowCount; first += size) {
      const count = Math.min(size, rowCount - first);
      const visits = Array.from({ length: 4 }, (_, index) => {
        return (first + (index < count ? index : 0)) * headCount + head;
      });
      words.set([...visits, head, count], at);
      at += BUNDLE_WORDS;
    }
  }
  return words;
}
