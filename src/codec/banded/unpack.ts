/**
 * Reading a banded record. FORMAT.md sections 7.3 to 7.5.
 *
 * @module
 */

import { bitCount } from "../../core/bit_count.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import { readBits } from "../bits.ts";
import { f16ToNumber } from "../f16.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import type { QuantisedBlock } from "../quantised.ts";
import { BAND_INDEX_BITS, bandBits, bandLeast, bandLevels, isBall } from "./band.ts";
import { type SectionHead, sectionHead } from "./dropped.ts";
import { type BandedLayout, PART_CHANNEL_COUNT, ROW_COUNT } from "./layout.ts";
import { LOW_LEVELS_MAX, UNIT_TOKEN_COUNT, unitBits, unpackDigits } from "./levels.ts";
import { pointDigits } from "./points.ts";
import { type BandedTables, channelBands } from "./tables.ts";

/** One unit of a section, read. */
export interface BandedUnit {
  /** Place of its first token. */
  firstPlace: number;
  /** Channel, counted over all heads. */
  channel: number;
  /** 0 to 7. */
  bandIndex: number;
  /** Eight biased codes. */
  codes: readonly number[];
  /** First bit of the unit in its section. */
  bit: number;
  /** The unit's bits, as one or two numbers; `levels` is null of a point's place. */
  numbers: { value: number; widthBits: number; levels: number | null }[];
}

/** A record's contents. */
export interface UnpackedBanded {
  /**
   * Codes `[channels][64]` and token steps, in packed order; absent places are 0, and so is every
   * place of a channel that is dropped.
   */
  block: QuantisedBlock;
  /** f16 bits of the sinks as in the record; empty if it has none. */
  sinks: Uint32Array;
}

/** Token step of a packed place. */
export function stepAt(layout: BandedLayout, record: Uint32Array, place: number): number {
  return (record[layout.stepsWord + (place >> 2)] >>> (8 * (place & 3))) & 255;
}

/** The value of a sink. */
export function sinkValue(
  layout: BandedLayout,
  record: Uint32Array,
  at: { side: Side; head: number; token: number; channel: number },
): number {
  const { side, head, token, channel } = at;
  const row = (side * layout.kvHeadCount + head) * layout.sinkCount + token;
  const half = row * layout.headSize + channel;
  const word = record[layout.sinksWord + (half >> 1)];
  return f16ToNumber((word >>> (16 * (half & 1))) & 0xffff);
}

/**
 * Unpacks a record that is known to be well formed: packed here, or checked by `checkBanded`.
 *
 * @param hasSinks Whether it is the first block of a sequence with sinks.
 */
export function unpackBanded(
  layout: BandedLayout,
  record: Uint32Array,
  source: { tables: BandedTables; hasSinks: boolean },
): UnpackedBanded {
  const { tables, hasSinks } = source;
  const tokenCount = layout.packedTokenCount(hasSinks);
  const params = new Uint32Array(BLOCK_TOKEN_COUNT);
  for (let place = 0; place < tokenCount; place++) params[place] = stepAt(layout, record, place);
  const sides = [KEY, VALUE].map(() => ({
    codes: new Uint8Array(layout.channelCount * BLOCK_TOKEN_COUNT),
    params,
  }));
  for (let index = 0; index < layout.sectionCount; index++) {
    const { side } = layout.sectionPlace(index);
    const section = sectionHead(record, index);
    for (const unit of readUnits(layout, section, { index, tables })) {
      const count = Math.min(UNIT_TOKEN_COUNT, tokenCount - unit.firstPlace);
      const start = unit.channel * BLOCK_TOKEN_COUNT + unit.firstPlace;
      if (count > 0) sides[side].codes.set(unit.codes.slice(0, count), start);
    }
  }
  const sinks = record.slice(layout.sinksWord, layout.sectionsWord(hasSinks));
  return { block: { tokenCount, sides: [sides[KEY], sides[VALUE]] }, sinks };
}

/**
 * The units of a section by row, then channel, without those of dropped channels. Stops at the
 * section's end: reads past it give nothing, which the caller sees by the number of units.
 */
export function* readUnits(
  layout: BandedLayout,
  { words: section, channels, indexBit, unitBit }: SectionHead,
  source: { index: number; tables: BandedTables },
): Generator<BandedUnit> {
  const place = layout.sectionPlace(source.index);
  const first = layout.firstChannel(place);
  const endBit = section.length * 32;
  if (unitBit > endBit) return;
  const channelCount = bitCount(channels);
  let bit = unitBit;
  for (let row = 0; row < ROW_COUNT; row++) {
    let rank = 0;
    for (let offset = 0; offset < PART_CHANNEL_COUNT; offset++) {
      if (((channels >>> offset) & 1) === 0) continue;
      const channel = first + offset;
      let bandIndex = 0;
      for (let plane = 0; plane < BAND_INDEX_BITS; plane++) {
        const planeBit = indexBit + (row * BAND_INDEX_BITS + plane) * channelCount + rank;
        bandIndex |= readBits(section, planeBit, 1) << plane;
      }
      rank++;
      const band = channelBands(source.tables, place.side, channel)[bandIndex];
      if (bit + bandBits(band) > endBit) return;
      const firstPlace = row * UNIT_TOKEN_COUNT;
      const { digits, numbers } = isBall(band)
        ? readPoint(section, bit, bandBits(band))
        : readDigits(section, bit, bandLevels(band));
      const codes = digits.map((digit) => bandLeast(band) + digit);
      yield { firstPlace, channel, bandIndex, codes, bit, numbers };
      bit += bandBits(band);
    }
  }
}

function readPoint(section: Uint32Array, bit: number, widthBits: number) {
  const value = readBits(section, bit, widthBits);
  return { digits: pointDigits(value), numbers: [{ value, widthBits, levels: null }] };
}

function readDigits(section: Uint32Array, bit: number, levels: number) {
  const low = readNumber(section, bit, Math.min(levels, LOW_LEVELS_MAX));
  const digits = unpackDigits(low, low.levels);
  if (levels <= LOW_LEVELS_MAX) return { digits, numbers: [low] };
  const high = readNumber(section, bit + low.widthBits, levels / LOW_LEVELS_MAX);
  const highDigits = unpackDigits(high, high.levels);
  return {
    digits: digits.map((digit, place) => digit + LOW_LEVELS_MAX * highDigits[place]),
    numbers: [low, high],
  };
}

function readNumber(section: Uint32Array, bit: number, levels: number) {
  const widthBits = unitBits(levels);
  const half = Math.min(widthBits, 16);
  const low = readBits(section, bit, half);
  const high = readBits(section, bit + half, widthBits - half);
  return { value: (low + high * 2 ** half) >>> 0, widthBits, levels };
}
