import { alignUp, divCeil } from "../../core/shapes.ts";

/** Rows of x that one workgroup takes together, by pipeline. */
export const ROW_COUNTS = [1, 2, 4] as const;

/** The same where lanes read each other's x, as a CPU does: eight share what a weight takes. */
export const SHARED_ROW_COUNTS = [1, 2, 4, 8] as const;

/** Activation buffers hold rows up to a multiple of this; padding is computed and ignored. */
export const ROW_TILE = 4;

/**
 * The pipeline that takes so many rows, and the tiles that these make: the largest tiles of those
 * that compute no more rows than there is room for.
 */
export function rowTiles(
  rowCount: number,
  rowCounts: readonly number[] = ROW_COUNTS,
): { size: number; tileCount: number } {
  if (rowCount <= 2) return { size: rowCount - 1, tileCount: 1 };
  const room = alignUp(rowCount, ROW_TILE);
  const size = rowCounts.findLastIndex((count) => room % count === 0);
  return { size, tileCount: divCeil(rowCount, rowCounts[size]) };
}

/** Rows of x that tiles of 64 outputs may have. */
export const TILE_ROW_COUNTS = [16, 32, 64] as const;

/** Most rows of a tile: fewer make more workgroups, which expand each weight more often. */
export type TileRowCount = typeof TILE_ROW_COUNTS[number];

/** Rows of the tiles of a product, by pipeline: the fewest there can be, and the most. */
export function tileRowCounts(most: TileRowCount): readonly number[] {
  const [least] = TILE_ROW_COUNTS;
  return most === least ? [least] : [least, most];
}

/**
 * The pipeline for the rows of a slice, and its workgroups by groups of 32 outputs: large tiles
 * for more than half of their rows.
 */
export function sliceTiles(
  rowCount: number,
  most: TileRowCount,
): { size: number; gridOf: (groupCount: number) => [x: number, y: number] } {
  const rowCounts = tileRowCounts(most);
  const size = rowCount <= most / 2 ? 0 : rowCounts.length - 1;
  const tileCount = divCeil(rowCount, rowCounts[size]);
  return { size, gridOf: (groupCount) => [tileCount, divCeil(groupCount, 2)] };
}
