/**
 * Reading the units of a section, one after the other. FORMAT.md sections 7.3 and 7.4.
 *
 * @module
 */

import { bitCount } from "../../core/bit_count.ts";
import { readBits } from "../bits.ts";
import { BAND_COUNT, BAND_INDEX_BITS, bandBits, bandLeast, bandLevels, isBall } from "./band.ts";
import type { SectionHead } from "./dropped.ts";
import { type BandedLayout, ROW_COUNT } from "./layout.ts";
import { isCanonical, LOW_LEVELS_MAX, UNIT_TOKEN_COUNT, unitBits, unpackDigits } from "./levels.ts";
import { pointDigits } from "./points.ts";
import { type BandedTables, firstBand } from "./tables.ts";

/**
 * The units of a section by row, then channel, without those of dropped channels. One reader stands
 * for all of them in turn, as a record has hundreds: its fields are those of the last unit read.
 */
export class UnitReader {
  /** Place of the unit's first token. */
  firstPlace = 0;
  /** Its channel, counted over all heads. */
  channel = 0;
  /** Its band among those of the channel, 0 to 7. */
  bandIndex = 0;
  /** That band, as `bandWord` gives it. */
  band = 0;
  /** Biased codes, eight of 0 to 255. */
  readonly codes: number[] = [];
  /** Bit of the section behind the unit; before the first one, that of its begin. */
  endBit: number;
  readonly #words: Uint32Array;
  readonly #channels: number;
  readonly #channelCount: number;
  readonly #indexBit: number;
  readonly #firstChannel: number;
  readonly #firstBand: number;
  readonly #tables: BandedTables;
  #row = 0;
  #rank = 0;
  #offset = 0;
  #isCanonical = true;

  /**
   * @param head How the section begins; its words may go on behind it.
   * @param source `index`: of the section in its record. `tables`: those of the layer.
   */
  constructor(
    layout: BandedLayout,
    head: SectionHead,
    source: { index: number; tables: BandedTables },
  ) {
    const place = layout.sectionPlace(source.index);
    this.endBit = head.unitBit;
    this.#words = head.words;
    this.#channels = head.channels;
    this.#channelCount = bitCount(head.channels);
    this.#indexBit = head.indexBit;
    this.#firstChannel = layout.firstChannel(place);
    this.#firstBand = firstBand(source.tables, place.side, this.#firstChannel);
    this.#tables = source.tables;
  }

  /** Whether `packUnit` gives the unit's numbers for its digits; a point's place always counts. */
  get isCanonical(): boolean {
    return this.#isCanonical;
  }

  /** First of the words of the channel's bands in the tables. */
  get bandsWord(): number {
    return this.#firstBand + (this.channel - this.#firstChannel) * BAND_COUNT;
  }

  /**
   * Reads the next unit.
   *
   * @returns False behind the last one, and at the end of the words: nothing behind them is read.
   */
  next(): boolean {
    const bitCountOfWords = this.#words.length * 32;
    if (this.endBit > bitCountOfWords || !this.#toNextChannel()) return false;
    const index = this.#readBandIndex();
    const band = this.#tables.bands[this.bandsWord + index];
    const bit = this.endBit;
    if (bit + bandBits(band) > bitCountOfWords) return false;
    this.bandIndex = index;
    this.band = band;
    this.endBit = bit + bandBits(band);
    if (isBall(band)) this.#readPoint(bit);
    else this.#readDigits(bit);
    return true;
  }

  #toNextChannel(): boolean {
    if (this.#rank === this.#channelCount) {
      this.#row++;
      this.#rank = this.#offset = 0;
    }
    if (this.#row >= ROW_COUNT || this.#channelCount === 0) return false;
    while (((this.#channels >>> this.#offset) & 1) === 0) this.#offset++;
    this.channel = this.#firstChannel + this.#offset++;
    this.firstPlace = this.#row * UNIT_TOKEN_COUNT;
    return true;
  }

  #readBandIndex(): number {
    let bit = this.#indexBit + this.#row * BAND_INDEX_BITS * this.#channelCount + this.#rank++;
    let index = 0;
    for (let plane = 0; plane < BAND_INDEX_BITS; plane++) {
      index |= readBits(this.#words, bit, 1) << plane;
      bit += this.#channelCount;
    }
    return index;
  }

  #readPoint(bit: number): void {
    const least = bandLeast(this.band);
    pointDigits(readBits(this.#words, bit, bandBits(this.band)), this.codes);
    for (let place = 0; place < UNIT_TOKEN_COUNT; place++) this.codes[place] += least;
    this.#isCanonical = true;
  }

  #readDigits(bit: number): void {
    const { band, codes } = this;
    const levels = bandLevels(band);
    const lowLevels = Math.min(levels, LOW_LEVELS_MAX);
    const low = readNumber(this.#words, bit, unitBits(lowLevels));
    unpackDigits(low, lowLevels, codes);
    this.#isCanonical = isCanonical(low, lowLevels);
    if (levels > LOW_LEVELS_MAX) {
      const highLevels = levels / LOW_LEVELS_MAX;
      const high = readNumber(this.#words, bit + low.widthBits, unitBits(highLevels));
      unpackDigits(high, highLevels, HIGH_DIGITS);
      this.#isCanonical &&= isCanonical(high, highLevels);
      for (let place = 0; place < UNIT_TOKEN_COUNT; place++) {
        codes[place] += LOW_LEVELS_MAX * HIGH_DIGITS[place];
      }
    }
    const least = bandLeast(band);
    for (let place = 0; place < UNIT_TOKEN_COUNT; place++) codes[place] += least;
  }
}

/** Scratch of one unit. */
const HIGH_DIGITS: number[] = [];

function readNumber(words: Uint32Array, bit: number, widthBits: number) {
  if (widthBits <= 25) return { value: readBits(words, bit, widthBits), widthBits };
  const low = readBits(words, bit, 16);
  const high = readBits(words, bit + 16, widthBits - 16);
  return { value: low + high * 2 ** 16, widthBits };
}
