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

/** Rows of x of a tile of 64 outputs, by pipeline. */
export const TILE_ROW_COUNTS = [16, 64] as const;

/** Most rows for which small tiles are taken. */
const SMALL_ROW_COUNT_MAX = 32;

/** The pipeline for the rows of a slice, and its workgroups by groups of 32 outputs. */
export function sliceTiles(
  rowCount: number,
): { size: number; gridOf: (groupCount: number) => [x: number, y: number] } {
  const size = rowCount <= SMALL_ROW_COUNT_MAX ? 0 : 1;
  const tileCount = divCeil(rowCount, TILE_ROW_COUNTS[size]);
  return { size, gridOf: (groupCount) => [tileCount, divCeil(groupCount, 2)] };
}
