/** Seeded windows of layers that see their newest tokens alone, all of them raw. */

import { rawTileWords } from "../../src/codec/record.ts";
import { rowInSight, rowWords } from "../../src/core/row.ts";
import {
  BLOCK_TOKEN_COUNT,
  WINDOW_BLOCK_COUNT,
  windowTile,
  windowTileCount,
} from "../../src/core/shapes.ts";
import { type CaseShape, rowOf, seededTile } from "./attention_case.ts";
import { seededNormals } from "./numeric.ts";

/** A window of one slot for each sequence, and rows that read it. */
export interface RingCase {
  shape: CaseShape;
  tileCount: number;
  q: Float32Array;
  rows: Uint32Array;
  tiles: Uint32Array;
}

/**
 * Makes windows in which slot `i` holds the newest of `lengths[i]` tokens, and a row at each of
 * the last `rowCount` of the last slot.
 */
export function makeRingCase(
  heads: { kvHeadCount: number; groupSize: number; headSize: number },
  options: { reach: number; lengths: readonly number[]; rowCount?: number; softCap?: number },
): RingCase {
  const { reach, lengths, rowCount, softCap = null } = options;
  const tileCount = windowTileCount(reach, WINDOW_BLOCK_COUNT);
  const { kvHeadCount, groupSize, headSize } = heads;
  const shape = {
    kvHeadCount,
    queryHeadCount: kvHeadCount * groupSize,
    headSize,
    blocksPerSplit: 4,
    splitCountMax: tileCount,
    softCap,
  };
  const tileWords = rawTileWords(shape);
  const tiles = new Uint32Array(lengths.length * tileCount * tileWords);
  for (const [slot, length] of lengths.entries()) {
    // Older blocks are written first, and newer ones over them, as the ring turns.
    for (let block = 0; block * BLOCK_TOKEN_COUNT < length; block++) {
      const tokenCount = Math.min(BLOCK_TOKEN_COUNT, length - block * BLOCK_TOKEN_COUNT);
      const tile = seededTile(shape, { tokenCount, seed: 1 + slot * 7919 + block * 31 });
      tiles.set(tile, windowTile(slot, block, tileCount) * tileWords);
    }
  }
  const rowAt = (slot: number, position: number) =>
    rowInSight(rowOf({ slot, position, blockCount: 0 }, 1), { reach, isSealed: false });
  const last = lengths.length - 1;
  const rows = rowCount === undefined
    ? lengths.map((length, slot) => rowAt(slot, length - 1))
    : Array.from({ length: rowCount }, (_, row) => rowAt(last, lengths[last] - rowCount + row));
  const q = seededNormals(rows.length * shape.queryHeadCount * headSize, 9);
  return { shape, tileCount, q, rows: rowWords(rows), tiles };
}
