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
}

/**
 * The same row where it sees its `reach` newest tokens and all of them are raw. The rows of a block
 * begin at the same tile, so that what is made of one does not depend on the slice it is in.
 */
export function rowInReach(row: Row, reach: number): Row {
  const block = Math.floor(row.position / BLOCK_TOKEN_COUNT);
  return { ...row, listCount: 0, firstWindowBlock: Math.max(0, block - blocksInReach(reach)) };
}

/** Words of a {@link Row} on the device, in the order of its fields; shaders/lib/row.wgsl. */
export const ROW_WORDS = 7;

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
  ]));
}

/** Undoes {@link rowWords} for one row. */
export function readRow(words: Uint32Array, index: number): Required<Row> {
  const start = index * ROW_WORDS;
  const [slot, position, listStart, listCount, firstWindowBlock, idIndex, listStride] = words
    .subarray(start, start + ROW_WORDS);
  return { slot, position, listStart, listCount, firstWindowBlock, idIndex, listStride };
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
