/**
 * A record as rows of 64 bytes: how a codec describes its records to the cold form. FORMAT.md
 * section 9.2.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import { bytesAt, wordsAt } from "./kernel_memory.ts";

/** Bytes of a row: one for each token, or 64 of what is not by token. */
export const ROW_BYTES: number = BLOCK_TOKEN_COUNT;
/** Most classes of rows. */
export const CLASS_COUNT_MAX = 16;

/** What both ends know of the rows of a layer. */
export interface RowHints {
  /** Rows of one class are coded alike: below {@link CLASS_COUNT_MAX}, by row. */
  classes: Uint8Array;
  /** About where the bytes of a row lie, by row. */
  centres: Uint8Array;
}

/** How records of a codec are split into rows. */
export interface RecordRows {
  /** Most rows of a record. */
  readonly rowCountMax: number;
  /**
   * Rows of every record that are codes plus 128 by token, of which neighbours are coded together:
   * those of K's channels by head, then as many of V's. 0: all rows are coded by themselves.
   */
  readonly channelRowCount: number;
  /** Of all rows that a record of a layer may have. */
  hints(layer: number): RowHints;
  /**
   * Writes the rows of a record.
   *
   * @param rows Where, in the memory of `kernel_memory.ts`: `rowCountMax` rows.
   * @returns How many there are.
   */
  split(record: Uint32Array, layer: number, rows: number): number;
  /**
   * The record of such rows.
   *
   * @param rows Where they lie, in that memory.
   * @throws {RangeError} if no record has so many.
   */
  join(rows: { at: number; count: number }, layer: number): Uint32Array;
}

/** The rows that are no channels, as records of their own. */
export class RestRows implements RecordRows {
  readonly rowCountMax: number;
  readonly channelRowCount = 0;
  #kind: RecordRows;

  /** Of records of this kind. */
  constructor(kind: RecordRows) {
    this.#kind = kind;
    this.rowCountMax = kind.rowCountMax - kind.channelRowCount;
  }

  hints(layer: number): RowHints {
    const { classes, centres } = this.#kind.hints(layer);
    const first = this.#kind.channelRowCount;
    return { classes: classes.subarray(first), centres: centres.subarray(first) };
  }

  split(words: Uint32Array, _layer: number, rows: number): number {
    wordsAt(rows, words.length).set(words);
    return words.byteLength / ROW_BYTES;
  }

  join({ at, count }: { at: number; count: number }): Uint32Array {
    return new Uint32Array(bytesAt(at, count * ROW_BYTES).slice().buffer);
  }
}
