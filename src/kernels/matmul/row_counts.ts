import { divCeil } from "../../core/shapes.ts";

/** Rows of x that one workgroup takes together, by pipeline. */
export const ROW_COUNTS = [1, 2, 4] as const;

/** Most rows that a workgroup takes together. */
export const ROW_COUNT_MAX: number = ROW_COUNTS[ROW_COUNTS.length - 1];

/** The pipeline that takes so many rows, and the tiles that these make. */
export function rowTiles(rowCount: number): { size: number; tileCount: number } {
  const size = rowCount <= 2 ? rowCount - 1 : ROW_COUNTS.length - 1;
  return { size, tileCount: divCeil(rowCount, ROW_COUNTS[size]) };
}
