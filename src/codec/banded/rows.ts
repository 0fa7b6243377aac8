/**
 * A banded record as rows: the codes of each channel, the token steps, the bytes of the sinks.
 * FORMAT.md section 9.2.
 *
 * @module
 */

import { divExact } from "../../core/shapes.ts";
import { bytesAt, take, withMemory, wordsAt } from "../cold/kernel_memory.ts";
import { packSection, setPoints, unpackSection } from "../cold/kernels.wasm";
import { type RecordRows, ROW_BYTES, type RowHints } from "../cold/record_rows.ts";
import { isFiniteF16 } from "../f16.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import { BAND_COUNT, bandLeast, bandLevels } from "./band.ts";
import type { BandedLayout } from "./layout.ts";
import { LEVELS, LOW_LEVELS_MAX, STRETCH, unitBits } from "./levels.ts";
import { POINT_COUNT, pointWords } from "./points.ts";
import type { BandedTables } from "./tables.ts";

/** Bands of a channel that say where its codes lie: all but the full one. */
const OWN_BAND_COUNT = BAND_COUNT - 1;
/** Classes of a side, by the levels of these bands in all. */
const WIDTH_CLASS_COUNT = 6;
/** Classes of what is not code. */
const STEP_CLASS = 2 * WIDTH_CLASS_COUNT;
const SINK_CLASS = STEP_CLASS + 1;
/** Bytes of the bands of a channel. */
const BAND_BYTES = 4 * BAND_COUNT;
/** The kernels read and write 8 bytes at a time. */
const SLACK_BYTES = 8;

/** Bits of a number by its levels, 0 to 16, and what stretches it: constants of the kernels. */
const NUMBER_BITS = Array.from({ length: LOW_LEVELS_MAX + 1 }, (_, levels) => {
  return LEVELS.includes(levels) ? unitBits(levels) : 0;
});
const BITS_ADDRESS = 1024;
const STRETCH_ADDRESS = 1088;
const POINTS_ADDRESS = take(4 * POINT_COUNT);
bytesAt(BITS_ADDRESS, NUMBER_BITS.length).set(NUMBER_BITS);
wordsAt(STRETCH_ADDRESS, STRETCH.length).set(STRETCH);

/** Splits banded records. */
export class BandedRows implements RecordRows {
  readonly rowCountMax: number;
  readonly channelRowCount: number;
  #layout: BandedLayout;
  /** Words of `bandWord`, by layer. */
  #bands: Uint32Array[];
  #hints: RowHints[];

  /** Takes the tables of all layers. */
  constructor(layout: BandedLayout, tables: readonly BandedTables[]) {
    this.#layout = layout;
    wordsAt(POINTS_ADDRESS, POINT_COUNT).set(pointWords());
    setPoints(POINTS_ADDRESS);
    this.channelRowCount = 2 * layout.channelCount;
    this.rowCountMax = this.channelRowCount + 1 + this.#sinkRowCount(true);
    this.#bands = tables.map(({ bands }) => bands);
    this.#hints = tables.map((each) => this.#hintsOf(each));
  }

  hints(layer: number): RowHints {
    return this.#hints[layer];
  }

  split(record: Uint32Array, layer: number, rows: number): number {
    const layout = this.#layout;
    const hasSinks = layout.sinkCount > 0 && record[0] === layout.sectionsWord(true);
    withMemory(() => {
      const words = take(4 * record.length + SLACK_BYTES);
      wordsAt(words, record.length).set(record);
      const bands = this.#takeBands(layer);
      for (let index = 0; index < layout.sectionCount; index++) {
        const channel = this.#firstRow(index);
        const section = words + 4 * record[index];
        unpackSection(section, bands + BAND_BYTES * channel, rows + ROW_BYTES * channel);
      }
    });
    const bytes = bytesAt(rows, this.rowCountMax * ROW_BYTES);
    if (hasSinks) this.#repeatLast(bytes);
    const steps = new Uint8Array(
      record.buffer,
      record.byteOffset + 4 * layout.stepsWord,
      ROW_BYTES,
    );
    bytes.set(steps, this.channelRowCount * ROW_BYTES);
    if (!hasSinks) return this.channelRowCount + 1;
    const sinks = record.subarray(layout.sinksWord, layout.sectionsWord(true));
    const first = (this.channelRowCount + 1) * ROW_BYTES;
    const half = 2 * sinks.length;
    for (let index = 0; index < half; index++) {
      const value = (sinks[index >> 1] >>> (16 * (index & 1))) & 0xffff;
      bytes[first + index] = value >> 8;
      bytes[first + half + index] = value;
    }
    return this.rowCountMax;
  }

  join({ at, count }: { at: number; count: number }, layer: number): Uint32Array {
    const layout = this.#layout;
    const hasSinks = layout.sinkCount > 0 && count === this.rowCountMax;
    if (!hasSinks && count !== this.channelRowCount + 1) {
      throw new RangeError(`Cannot make a record of ${count} rows`);
    }
    const tokenCount = layout.packedTokenCount(hasSinks);
    return withMemory(() => {
      const bands = this.#takeBands(layer);
      const words = take(4 * layout.recordWordsMax + SLACK_BYTES);
      const record = wordsAt(words, layout.recordWordsMax);
      record.fill(0);
      let start = layout.sectionsWord(hasSinks);
      for (let index = 0; index < layout.sectionCount; index++) {
        const channel = this.#firstRow(index);
        record[index] = start;
        const codes = at + ROW_BYTES * channel;
        const section = words + 4 * start;
        start += packSection(section, bands + BAND_BYTES * channel, codes, tokenCount);
      }
      const rows = bytesAt(at, count * ROW_BYTES);
      const stepsAt = this.channelRowCount * ROW_BYTES;
      const steps = rows.subarray(stepsAt, stepsAt + ROW_BYTES);
      if (steps.subarray(tokenCount).some((step) => step !== 0)) {
        throw new RangeError("Cannot make a record: an absent token has a step");
      }
      bytesAt(words + 4 * layout.stepsWord, ROW_BYTES).set(steps);
      const sinks = rows.subarray(stepsAt + ROW_BYTES);
      const half = 2 * layout.sinkWords(hasSinks);
      for (let index = 0; index < half; index++) {
        const value = sinks[index] << 8 | sinks[half + index];
        if (!isFiniteF16(value)) {
          throw new RangeError("Cannot make a record: a sink holds infinity or NaN");
        }
        record[layout.sinksWord + (index >> 1)] |= value << (16 * (index & 1));
      }
      return record.slice(0, layout.recordWords(start - layout.fixedWords(hasSinks), hasSinks));
    });
  }

  /** Row of the first of the 32 channels of a section. */
  #firstRow(index: number): number {
    const place = this.#layout.sectionPlace(index);
    return place.side * this.#layout.channelCount + this.#layout.firstChannel(place);
  }

  #takeBands(layer: number): number {
    const bands = this.#bands[layer];
    const address = take(4 * bands.length);
    wordsAt(address, bands.length).set(bands);
    return address;
  }

  /** In the place of absent tokens, the last one, which costs least. */
  #repeatLast(rows: Uint8Array): void {
    const tokenCount = this.#layout.packedTokenCount(true);
    for (let row = 0; row < this.channelRowCount; row++) {
      const first = row * ROW_BYTES;
      rows.fill(rows[first + tokenCount - 1], first + tokenCount, first + ROW_BYTES);
    }
  }

  #sinkRowCount(hasSinks: boolean): number {
    return divExact(4 * this.#layout.sinkWords(hasSinks), ROW_BYTES);
  }

  #hintsOf({ bands }: BandedTables): RowHints {
    const classes = new Uint8Array(this.rowCountMax);
    const centres = new Uint8Array(this.rowCountMax);
    for (let row = 0; row < this.channelRowCount; row++) {
      const own = bands.subarray(row * BAND_COUNT, row * BAND_COUNT + OWN_BAND_COUNT);
      const levels = own.reduce((sum, band) => sum + bandLevels(band), 0);
      const middles = own.map((band) => 2 * bandLeast(band) + bandLevels(band) - 1).sort();
      const width = Math.min(Math.max(Math.floor(Math.log2(levels)) - 3, 0), WIDTH_CLASS_COUNT - 1);
      const side: Side = row < this.#layout.channelCount ? KEY : VALUE;
      classes[row] = side * WIDTH_CLASS_COUNT + width;
      centres[row] = (middles[OWN_BAND_COUNT >> 1] + 1) >> 1;
    }
    const sinkRows = this.rowCountMax - this.channelRowCount - 1;
    classes[this.channelRowCount] = STEP_CLASS;
    centres[this.channelRowCount] = 64;
    classes.fill(SINK_CLASS, this.channelRowCount + 1);
    classes.fill(SINK_CLASS + 1, this.channelRowCount + 1 + sinkRows / 2);
    return { classes, centres };
  }
}
