/**
 * Bundles: rows that go through one expert together. A row goes through several experts; each of
 * these is a visit, `row * usedCount + rank`.
 *
 * @module
 */

import shaderSource from "../../shaders/lib/expert_bundle.wgsl" with { type: "text" };
import { divExact } from "../core/shapes.ts";
import { constantsPart } from "../gpu/wgsl_template.ts";

/** Visits that a bundle has room for in products of few rows. */
export const ROWS_ROOM = 4;

/** The same in tiles. */
export const TILE_ROOM = 16;

/** One of them. */
export type BundleRoom = typeof ROWS_ROOM | typeof TILE_ROOM;

/** How experts are used. */
export interface ExpertCounts {
  /** Experts that there are. */
  expertCount: number;
  /** Experts that a row goes through. */
  usedCount: number;
  /** Of bundles; that of products of few rows if left out. */
  room?: BundleRoom | undefined;
}

/** Words of a bundle on the device: visits `[room]`, expert, count, two unused. */
export function bundleWordCount(room: BundleRoom = ROWS_ROOM): number {
  return room + 4;
}

/** WGSL of a bundle. */
export function bundleText(room: BundleRoom = ROWS_ROOM): string {
  return [shaderSource, constantsPart({ VISIT_VECTORS: divExact(room, 4) })].join("\n");
}

/** Visits of a bundle at most, for a step of `rowCount` rows: an expert has each row once. */
export function bundleSize(rowCount: number, room: BundleRoom = ROWS_ROOM): number {
  return rowCount <= 2 ? rowCount : room;
}

/** Bundles of `rowCount` rows at most: each expert with visits has one that is not full. */
export function bundleCountMax(
  { expertCount, usedCount, room }: ExpertCounts,
  rowCount: number,
): number {
  const size = bundleSize(rowCount, room);
  const visitCount = rowCount * usedCount;
  return Math.floor((visitCount + (size - 1) * Math.min(expertCount, visitCount)) / size);
}

/** Words that bundles of any number of rows up to `rowCountMax` take at most. */
export function bundleCapacityWords(counts: ExpertCounts, rowCountMax: number): number {
  const bundleCounts = Array.from(
    { length: rowCountMax },
    (_, index) => bundleCountMax(counts, index + 1),
  );
  return Math.max(...bundleCounts) * bundleWordCount(counts.room);
}

/**
 * Bundles of rows that each go through all heads, of which each has weights like an expert: visit
 * `row * headCount + head`. As many as {@link bundleCountMax} says; the last are empty.
 */
export function headBundleWords(
  headCount: number,
  rowCount: number,
  room?: BundleRoom,
): Uint32Array<ArrayBuffer> {
  const size = bundleSize(rowCount, room);
  const counts = { expertCount: headCount, usedCount: headCount, room };
  const wordCount = bundleWordCount(room);
  const words = new Uint32Array(bundleCountMax(counts, rowCount) * wordCount);
  let at = 0;
  for (let head = 0; head < headCount; head++) {
    for (let first = 0; first < rowCount; first += size) {
      const count = Math.min(size, rowCount - first);
      const visits = Array.from({ length: wordCount - 4 }, (_, index) => {
        return (first + (index < count ? index : 0)) * headCount + head;
      });
      words.set([...visits, head, count], at);
      at += wordCount;
    }
  }
  return words;
}
