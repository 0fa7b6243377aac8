/**
 * An XQuant record as rows: each of the four bytes of all minima and steps, then the codes of K and
 * of V. FORMAT.md section 9.2.
 *
 * @module
 */

import { bytesAt } from "../cold/kernel_memory.ts";
import { type RecordRows, ROW_BYTES, type RowHints } from "../cold/record_rows.ts";
import { VALUE } from "../record.ts";
import type { XquantLayout } from "./layout.ts";
import { checkXquant } from "./record.ts";

/** Classes behind those of the four bytes of minima and steps. */
const [KEY_CODES, VALUE_CODES] = [4, 5];

/** Splits XQuant records. */
export class XquantRows implements RecordRows {
  readonly rowCountMax: number;
  readonly channelRowCount = 0;
  #layout: XquantLayout;
  #hints: RowHints;
  /** Rows of a record without codes. */
  #paramRowCount: number;

  /** Of a layout. */
  constructor(layout: XquantLayout) {
    this.#layout = layout;
    const { paramWords } = layout;
    this.#paramRowCount = 4 * paramWords / ROW_BYTES;
    this.rowCountMax = 4 * layout.ownWords / ROW_BYTES;
    const valueStart = this.#paramRowCount + 4 * layout.codeWord(VALUE, 0) / ROW_BYTES;
    const classes = Uint8Array.from({ length: this.rowCountMax }, (_, row) => {
      if (row < this.#paramRowCount) return Math.floor(row * ROW_BYTES / paramWords);
      return row < valueStart ? KEY_CODES : VALUE_CODES;
    });
    this.#hints = { classes, centres: new Uint8Array(this.rowCountMax) };
  }

  hints(): RowHints {
    return this.#hints;
  }

  split(record: Uint32Array, _layer: number, rows: number): number {
    const from = new Uint8Array(record.buffer, record.byteOffset, 4 * record.length);
    const bytes = bytesAt(rows, this.rowCountMax * ROW_BYTES);
    const { paramWords } = this.#layout;
    for (let at = 0; at < 4 * paramWords; at++) bytes[this.#planeByte(at)] = from[at];
    bytes.set(from.subarray(4 * paramWords), 4 * paramWords);
    return from.length / ROW_BYTES;
  }

  join({ at, count }: { at: number; count: number }): Uint32Array {
    if (count !== this.#paramRowCount && count !== this.rowCountMax) {
      throw new RangeError(`Cannot make a record of ${count} rows`);
    }
    const bytes = bytesAt(at, count * ROW_BYTES);
    const into = new Uint8Array(count * ROW_BYTES);
    const { paramWords } = this.#layout;
    for (let place = 0; place < 4 * paramWords; place++) {
      into[place] = bytes[this.#planeByte(place)];
    }
    into.set(bytes.subarray(4 * paramWords), 4 * paramWords);
    const record = new Uint32Array(into.buffer);
    checkXquant(this.#layout, record);
    return record;
  }

  /** Where a byte of minima and steps lies among the rows. */
  #planeByte(byte: number): number {
    return (byte & 3) * this.#layout.paramWords + (byte >> 2);
  }
}
