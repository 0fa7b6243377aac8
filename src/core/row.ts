/**
 * Rows and read lists as the kernels see them: which token of which sequence a row is, and which
 * records it reads before the raw window.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT, blocksInReach } from "./shapes.ts";

/** One row of activations. */
export interface Row {
  slot: number;
  /** Position of its token. */
  position: number;
  /** First entry of its read list in the directory of each store. */
  listStart: number;
  /** Records that it reads. */
  listCount: number;
  /** Entries from one KV head's read list to the next; 0 if all heads read the same, as it is. */
  listStride?: number;
  /** It reads the raw window from the first token of this block on. */
  firstWindowBlock: number;
  /** Where the id of its token lies in the buffer of ids. */
  idIndex: number;
  /**
   * Newest tokens that it sees, its own among them; all if left out. Its records are then those of
   * the blocks right before the window.
   */
  reach?: number;
}

/** What the rows of a layer see: their newest tokens, sealed ones among them or raw ones alone. */
export interface Sight {
  reach: number;
  isSealed: boolean;
}

/**
 * The same row where it sees its newest tokens only. The rows of a block begin at the same block,
 * so that what is made of one does not depend on the slice it is in. Its entries of the read list
 * are then at the indexes of their blocks.
 */
export function rowInSight(row: Row, { reach, isSealed }: Sight): Row {
  const block = Math.floor(row.position / BLOCK_TOKEN_COUNT);
  const first = Math.max(0, block - blocksInReach(reach));
  if (!isSealed) return { ...row, reach, listCount: 0, firstWindowBlock: first };
  const listCount = Math.max(0, row.firstWindowBlock - first);
  return { ...row, reach, listStart: row.listStart + first, listCount };
}

/** The reach of a row that sees all tokens; with any position added it is a u32. */
const SEES_ALL = 0x7fffffff;

/** Words of a {@link Row} on the device, in the order of its fields; shaders/lib/row.wgsl. */
export const ROW_WORDS = 8;

/** Slot of rows that only fill up a tile. */
export const PADDING_SLOT = 0xffffffff;

/** u32 `[rows][ROW_WORDS]`. */
export function rowWords(rows: readonly Row[]): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(rows.flatMap((row) => [
    row.slot,
    row.position,
    row.listStart,
    row.listCount,
    row.firstWindowBlock,
    row.idIndex,
    row.listStride ?? 0,
    row.reach ?? SEES_ALL,
  ]));
}

/** Undoes {@link rowWords} for one row. */
export function readRow(words: Uint32Array, index: number): Required<Row> {
  const start = index * ROW_WORDS;
  const [slot, position, listStart, listCount, firstWindowBlock, idIndex, listStride, reach] = words
    .subarray(start, start + ROW_WORDS);
  return { slot, position, listStart, listCount, firstWindowBlock, idIndex, listStride, reach };
}

/** Tokens of the records of its list from one on that a row does not see. */
export function hiddenCount(
  { position, listCount, firstWindowBlock, reach = SEES_ALL }: Row,
  index: number,
): number {
  const first = (firstWindowBlock - listCount + index) * BLOCK_TOKEN_COUNT;
  return Math.max(0, position + 1 - reach - first);
}

/** An entry of a read list: a record, and how much of it there is. */
export interface ListEntry {
  /** First word of the record in the arena of its store. */
  word: number;
  /** Tokens that it holds, 1 to 64, sinks among them; of packed ones the first by packed order. */
  tokenCount: number;
  /** Whether it is of the first block of a sequence: banded records have their sinks then. */
  isFirst: boolean;
}

/** Stands for no record where the first word of one is wanted. */
export const NO_RECORD = 0xffffffff;

/** Words of a {@link ListEntry} on the device; shaders/lib/row.wgsl. */
export const ENTRY_WORDS = 2;

/** The words of an entry. */
export function entryWords({ word, tokenCount, isFirst }: ListEntry): [number, number] {
  return [word, tokenCount | Number(isFirst) << 16];
}

/** Undoes {@link entryWords} for one entry of a directory. */
export function readEntry(directory: Uint32Array, index: number): ListEntry {
  const [word, tokens] = directory.subarray(index * ENTRY_WORDS, (index + 1) * ENTRY_WORDS);
  return { word, tokenCount: tokens & 0xffff, isFirst: tokens >>> 16 === 1 };
}
