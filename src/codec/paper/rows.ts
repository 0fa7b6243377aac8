/**
 * A paper record as rows: the codes of each channel, and the bytes of the tokens' parameters.
 * FORMAT.md section 9.2.
 *
 * @module
 */

import { bitsFor, divCeil } from "../../core/shapes.ts";
import { readBits, writeBits } from "../bits.ts";
import { bytesAt } from "../cold/kernel_memory.ts";
import { type RecordRows, ROW_BYTES, type RowHints } from "../cold/record_rows.ts";
import { isFiniteF16 } from "../f16.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import type { PaperLayout } from "./layout.ts";

/** Rows of the parameters of a side: the bytes of a word, from the lowest. */
const PARAM_ROWS = 4;
/** Class of the first of them; those of K's and V's codes are 0 and 1. */
const PARAM_CLASS = 2;
/** Bits of the exponent of an f16: a normal one has some. */
const EXPONENT_BITS = 0x7c00;

/** Splits paper records of 64 tokens. */
export class PaperRows implements RecordRows {
  readonly rowCountMax: number;
  readonly channelRowCount = 0;
  #layout: PaperLayout;
  #hints: RowHints;
  /** Rows of codes of a side. */
  #channelCount: number;

  /** Of a layout. */
  constructor(layout: PaperLayout) {
    this.#layout = layout;
    this.#channelCount = layout.kvHeadCount * layout.headSize;
    this.rowCountMax = 2 * (this.#channelCount + PARAM_ROWS);
    const classes = new Uint8Array(this.rowCountMax);
    classes.fill(1, this.#channelCount);
    for (let index = 0; index < 2 * PARAM_ROWS; index++) {
      classes[2 * this.#channelCount + index] = PARAM_CLASS + index;
    }
    this.#hints = { classes, centres: new Uint8Array(this.rowCountMax) };
  }

  hints(): RowHints {
    return this.#hints;
  }

  split(record: Uint32Array, _layer: number, rows: number): number {
    const layout = this.#layout;
    const bytes = bytesAt(rows, this.rowCountMax * ROW_BYTES);
    for (let index = 0; index < layout.sectionCount; index++) {
      const side = layout.sideOf(index);
      const codes = bytes.subarray(index * layout.headSize * ROW_BYTES);
      splitSection(layout, record.subarray(record[index]), { side, codes });
    }
    for (const side of [KEY, VALUE]) {
      const params = bytes.subarray(this.#paramsByte(side));
      for (let token = 0; token < ROW_BYTES; token++) {
        const word = record[layout.paramsWord(side) + token];
        for (let row = 0; row < PARAM_ROWS; row++) {
          params[row * ROW_BYTES + token] = word >> 8 * row;
        }
      }
    }
    return this.rowCountMax;
  }

  join({ at, count }: { at: number; count: number }): Uint32Array {
    const layout = this.#layout;
    if (count !== this.rowCountMax) throw new RangeError(`Cannot make a record of ${count} rows`);
    const bytes = bytesAt(at, count * ROW_BYTES);
    const record = new Uint32Array(layout.recordWordsMax);
    let start = layout.sectionsWord;
    for (let index = 0; index < layout.sectionCount; index++) {
      const side = layout.sideOf(index);
      const codes = bytes.subarray(index * layout.headSize * ROW_BYTES);
      record[index] = start;
      start += joinSection(layout, record.subarray(start), { side, codes });
    }
    for (const side of [KEY, VALUE]) {
      const params = bytes.subarray(this.#paramsByte(side));
      for (let token = 0; token < ROW_BYTES; token++) {
        let word = 0;
        for (let row = 0; row < PARAM_ROWS; row++) {
          word |= params[row * ROW_BYTES + token] << 8 * row;
        }
        const isScale = isFiniteF16(word & 0xffff) && (word & EXPONENT_BITS) !== 0;
        if (!isScale || (word & 0x8000) !== 0) {
          throw new RangeError(`Cannot make a record: token ${token} has no scale`);
        }
        record[layout.paramsWord(side) + token] = word;
      }
    }
    return record.slice(0, layout.recordWords(start - layout.fixedWords));
  }

  #paramsByte(side: Side): number {
    return (2 * this.#channelCount + side * PARAM_ROWS) * ROW_BYTES;
  }
}

/** Codes u8 `[headSize][64]` of a section. */
interface SectionRows {
  side: Side;
  codes: Uint8Array;
}

function splitSection(
  layout: PaperLayout,
  section: Uint32Array,
  { side, codes }: SectionRows,
): void {
  const { headSize, packSize } = layout;
  const bits = layout.bits(side);
  let bit = layout.payloadWord(side) * 32;
  for (let row = 0; row < layout.rowCount; row++) {
    const minima = (layout.minimaWord(side) + row * layout.minimaRowWords(side)) * 32;
    for (let channel = 0; channel < headSize; channel++) {
      let width = 0;
      for (let plane = 0; plane < layout.widthBits(side); plane++) {
        const word = section[layout.planeWord(side, row, plane) + (channel >> 5)];
        width |= (word >>> (channel & 31) & 1) << plane;
      }
      const minimum = readBits(section, minima + channel * bits, bits);
      const first = channel * ROW_BYTES + row * packSize;
      for (let place = first; place < first + packSize; place++) {
        codes[place] = minimum + readBits(section, bit, width);
        bit += width;
      }
    }
  }
}

/** Returns the words of the section; it is written over zero words. */
function joinSection(
  layout: PaperLayout,
  section: Uint32Array,
  { side, codes }: SectionRows,
): number {
  const { headSize, packSize } = layout;
  const bits = layout.bits(side);
  const payloadWord = layout.payloadWord(side);
  let bit = payloadWord * 32;
  for (let row = 0; row < layout.rowCount; row++) {
    const minima = (layout.minimaWord(side) + row * layout.minimaRowWords(side)) * 32;
    for (let channel = 0; channel < headSize; channel++) {
      const first = channel * ROW_BYTES + row * packSize;
      let [least, most] = [255, 0];
      for (let place = first; place < first + packSize; place++) {
        least = Math.min(least, codes[place]);
        most = Math.max(most, codes[place]);
      }
      if (most >= 1 << bits) throw new RangeError(`Cannot pack code ${most} into ${bits} bits`);
      const widthBits = bitsFor(most - least);
      for (let plane = 0; plane < layout.widthBits(side); plane++) {
        const word = layout.planeWord(side, row, plane) + (channel >> 5);
        section[word] |= (widthBits >> plane & 1) << (channel & 31);
      }
      writeBits(section, minima + channel * bits, { value: least, widthBits: bits });
      for (let place = first; place < first + packSize; place++) {
        writeBits(section, bit, { value: codes[place] - least, widthBits });
        bit += widthBits;
      }
    }
  }
  return payloadWord + divCeil(bit - payloadWord * 32, 32);
}
