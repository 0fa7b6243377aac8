/**
 * An int8 record as rows: the codes of each channel, and the bytes of the scales of each head.
 * FORMAT.md section 9.2.
 *
 * @module
 */

import { bytesAt } from "../cold/kernel_memory.ts";
import { type RecordRows, ROW_BYTES, type RowHints } from "../cold/record_rows.ts";
import { checkInt8 } from "./record.ts";
import { type Int8Layout, SCALE_WORDS } from "./layout.ts";
import type { Side } from "../record.ts";

/** Codes are signed bytes: rows have this added. */
const CODE_BIAS = 128;
/** Classes of the scales' high and low bytes; those of K's and V's codes are 0 and 1. */
const SCALE_CLASS = 2;

/** Splits int8 records. */
export class Int8Rows implements RecordRows {
  readonly rowCountMax: number;
  readonly channelRowCount = 0;
  #layout: Int8Layout;
  #hints: RowHints;

  /** Of a layout. */
  constructor(layout: Int8Layout) {
    this.#layout = layout;
    const { channelCount, sectionCount } = layout;
    this.rowCountMax = 2 * channelCount + 2 * sectionCount;
    const classes = new Uint8Array(this.rowCountMax);
    const centres = new Uint8Array(this.rowCountMax).fill(CODE_BIAS, 0, 2 * channelCount);
    classes.fill(1, channelCount, 2 * channelCount);
    classes.fill(SCALE_CLASS, 2 * channelCount, 2 * channelCount + sectionCount);
    classes.fill(SCALE_CLASS + 1, 2 * channelCount + sectionCount);
    this.#hints = { classes, centres };
  }

  hints(): RowHints {
    return this.#hints;
  }

  split(record: Uint32Array, _layer: number, rows: number): number {
    const from = new Uint8Array(record.buffer, record.byteOffset, 4 * record.length);
    const bytes = bytesAt(rows, this.rowCountMax * ROW_BYTES);
    this.#forEach((recordByte, row, bias) => bytes[row] = from[recordByte] + bias);
    return this.rowCountMax;
  }

  join({ at, count }: { at: number; count: number }): Uint32Array {
    if (count !== this.rowCountMax) throw new RangeError(`Cannot make a record of ${count} rows`);
    const record = new Uint32Array(this.#layout.recordWords);
    const into = new Uint8Array(record.buffer);
    const bytes = bytesAt(at, count * ROW_BYTES);
    this.#forEach((recordByte, row, bias) => into[recordByte] = bytes[row] - bias);
    checkInt8(this.#layout, record);
    return record;
  }

  /** Calls with each byte of a record, its place in the rows, and what rows have added. */
  #forEach(visit: (recordByte: number, row: number, bias: number) => void): void {
    const { kvHeadCount, headSize, channelCount, sectionCount } = this.#layout;
    for (let section = 0; section < sectionCount; section++) {
      const side: Side = section < kvHeadCount ? 0 : 1;
      const start = 4 * this.#layout.sectionWord(side, section % kvHeadCount);
      const highRow = 2 * channelCount + section;
      for (let token = 0; token < ROW_BYTES; token++) {
        visit(start + 2 * token + 1, highRow * ROW_BYTES + token, 0);
        visit(start + 2 * token, (highRow + sectionCount) * ROW_BYTES + token, 0);
      }
      for (let channel = 0; channel < headSize; channel++) {
        const row = (section * headSize + channel) * ROW_BYTES;
        for (let token = 0; token < ROW_BYTES; token++) {
          const code = this.#layout.codeByte(side, channel, token);
          visit(start + 4 * SCALE_WORDS + code, row + token, CODE_BIAS);
        }
      }
    }
  }
}
