/**
 * A raw tile as rows: the high bytes of each channel's tokens, then the low ones. FORMAT.md section
 * 9.2.
 *
 * @module
 */

import { bytesAt } from "./cold/kernel_memory.ts";
import { type RecordRows, ROW_BYTES, type RowHints } from "./cold/record_rows.ts";
import { type HeadShape, rawTileHalf } from "./raw_tile.ts";
import { rawTileWords, type Side } from "./record.ts";

/** Splits raw tiles. */
export class RawTileRows implements RecordRows {
  readonly rowCountMax: number;
  readonly channelRowCount = 0;
  #hints: RowHints;
  #words: number;
  /** Half of a tile at each place of the rows of high bytes. */
  #halves: Uint32Array;

  /** Of a model's heads. */
  constructor(shape: HeadShape) {
    const channelCount = shape.kvHeadCount * shape.headSize;
    this.#words = rawTileWords(shape);
    this.rowCountMax = 4 * channelCount;
    this.#halves = new Uint32Array(2 * channelCount * ROW_BYTES);
    for (let place = 0; place < this.#halves.length; place++) {
      const row = Math.floor(place / ROW_BYTES);
      const side: Side = row < channelCount ? 0 : 1;
      this.#halves[place] = rawTileHalf(shape, side, row % channelCount, place % ROW_BYTES);
    }
    // K high, V high, K low, V low.
    const classes = Uint8Array.from({ length: this.rowCountMax }, (_, row) => {
      return Math.floor(row / channelCount);
    });
    this.#hints = { classes, centres: new Uint8Array(this.rowCountMax) };
  }

  hints(): RowHints {
    return this.#hints;
  }

  split(tile: Uint32Array, _layer: number, rows: number): number {
    const halves = new Uint16Array(tile.buffer, tile.byteOffset, 2 * tile.length);
    const bytes = bytesAt(rows, this.rowCountMax * ROW_BYTES);
    const count = this.#halves.length;
    for (let place = 0; place < count; place++) {
      const half = halves[this.#halves[place]];
      bytes[place] = half >> 8;
      bytes[count + place] = half;
    }
    return this.rowCountMax;
  }

  join({ at, count }: { at: number; count: number }): Uint32Array {
    if (count !== this.rowCountMax) throw new RangeError(`Cannot make a tile of ${count} rows`);
    const tile = new Uint32Array(this.#words);
    const halves = new Uint16Array(tile.buffer);
    const bytes = bytesAt(at, count * ROW_BYTES);
    const half = this.#halves.length;
    for (let place = 0; place < half; place++) {
      halves[this.#halves[place]] = bytes[place] << 8 | bytes[half + place];
    }
    return tile;
  }
}
