/**
 * Packing a quantised block into a banded record. FORMAT.md sections 7.3 to 7.5.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT, divCeil } from "../../core/shapes.ts";
import { writeBits } from "../bits.ts";
import type { QuantisedBlock } from "../quantised.ts";
import { type HeadShape, rawTileHalf } from "../raw_tile.ts";
import { BAND_INDEX_BITS, bandBits, bandLeast, bandLevels, chooseBand, isBall } from "./band.ts";
import { DROPS_FLAG, isDropped, sectionHeadWords, sectionSize } from "./dropped.ts";
import { type BandedLayout, PART_CHANNEL_COUNT, PLANE_WORDS, type SectionPlace } from "./layout.ts";
import { packUnit, UNIT_TOKEN_COUNT, type UnitNumber } from "./levels.ts";
import { POINT_MIDDLE, pointPlace } from "./points.ts";
import { type BandedTables, firstBand } from "./tables.ts";

/** What the sections of a record are made of. */
export interface BandedSource {
  /** Codes and token steps. */
  block: QuantisedBlock;
  /** Static tables of the layer. */
  tables: BandedTables;
}

/**
 * Packs one layer of a block. Channels of which all codes are `DROPPED_CODE` are dropped.
 *
 * @param sinks Words of {@link packSinks} for a sequence's first block, else empty.
 * @returns Words of the record, a multiple of 4.
 */
export function packBanded(
  layout: BandedLayout,
  source: BandedSource,
  sinks: Uint32Array,
): Uint32Array {
  const hasSinks = sinks.length > 0;
  const sections = packSections(layout, source);
  const payloadWords = sections.reduce((sum, { words }) => sum + words.length - PLANE_WORDS, 0);
  const record = new Uint32Array(layout.recordWords(payloadWords, hasSinks));
  let start = layout.sectionsWord(hasSinks);
  for (const [index, { words, droppedCount }] of sections.entries()) {
    record[index] = droppedCount === 0 ? start : start | DROPS_FLAG;
    record.set(words, start);
    start += words.length;
  }
  for (let place = 0; place < BLOCK_TOKEN_COUNT; place++) {
    const step = source.block.sides[0].params[place];
    record[layout.stepsWord + (place >> 2)] |= step << (8 * (place & 3));
  }
  record.set(sinks, layout.sinksWord);
  return record;
}

/** Size of each section of the record that {@link packBanded} gives: see `sectionSize`. */
export function measureBanded(layout: BandedLayout, source: BandedSource): Uint32Array {
  return Uint32Array.from(
    packSections(layout, source),
    ({ words, droppedCount }) =>
      sectionSize(words.length - sectionHeadWords(droppedCount), droppedCount),
  );
}

/**
 * The first tokens of a raw tile as a record keeps them: K, then V, `[head][token][channel]`.
 *
 * @returns Words, `layout.sinkWords(true)`; empty if there are no sinks.
 */
export function packSinks(layout: BandedLayout, tile: Uint32Array): Uint32Array {
  const { kvHeadCount, headSize, sinkCount } = layout;
  const shape: HeadShape = { kvHeadCount, headSize };
  const from = new Uint16Array(tile.buffer, tile.byteOffset, tile.length * 2);
  const halves = new Uint16Array(2 * kvHeadCount * sinkCount * headSize);
  let index = 0;
  for (const side of [0, 1] as const) {
    for (let head = 0; head < kvHeadCount; head++) {
      for (let token = 0; token < sinkCount; token++) {
        for (let channel = 0; channel < headSize; channel++) {
          halves[index++] = from[rawTileHalf(shape, side, head * headSize + channel, token)];
        }
      }
    }
  }
  return new Uint32Array(halves.buffer);
}

/** A section's words, and how many channels it leaves out. */
interface PackedSection {
  words: Uint32Array;
  droppedCount: number;
}

function packSections(layout: BandedLayout, source: BandedSource): PackedSection[] {
  return Array.from(
    { length: layout.sectionCount },
    (_, index) => packSection(layout, source, layout.sectionPlace(index)),
  );
}

function packSection(
  layout: BandedLayout,
  source: BandedSource,
  place: SectionPlace,
): PackedSection {
  const channels = sectionChannels(layout, source, place);
  const droppedCount = PART_CHANNEL_COUNT - channels.length;
  const units = sectionUnits(source, place, channels);
  const payloadBits = units.reduce((sum, { band }) => sum + bandBits(band), 0);
  const headWords = sectionHeadWords(droppedCount);
  const words = new Uint32Array(headWords + divCeil(payloadBits, 32));
  if (droppedCount > 0) {
    const first = layout.firstChannel(place);
    for (const channel of channels) words[0] |= 1 << (channel - first);
  }
  const indexBit = droppedCount === 0 ? 0 : 32;
  let bit = headWords * 32;
  for (const [index, { bandIndex, band, digits }] of units.entries()) {
    const row = Math.floor(index / channels.length);
    const rank = index % channels.length;
    for (let plane = 0; plane < BAND_INDEX_BITS; plane++) {
      const planeBit = indexBit + (row * BAND_INDEX_BITS + plane) * channels.length + rank;
      writeBits(words, planeBit, { value: (bandIndex >> plane) & 1, widthBits: 1 });
    }
    for (const number of unitNumbers(band, digits)) {
      writeBits(words, bit, number);
      bit += number.widthBits;
    }
  }
  return { words, droppedCount };
}

/** Channels of a section that are not dropped, counted over all heads. */
function sectionChannels(
  layout: BandedLayout,
  { block: { sides, tokenCount } }: BandedSource,
  place: SectionPlace,
): number[] {
  const first = layout.firstChannel(place);
  const all = Array.from({ length: PART_CHANNEL_COUNT }, (_, offset) => first + offset);
  return all.filter((channel) => {
    const start = channel * BLOCK_TOKEN_COUNT;
    return !isDropped(sides[place.side].codes.subarray(start, start + tokenCount));
  });
}

/** The units of some channels of a section by row, then channel. */
function sectionUnits(
  { block, tables }: BandedSource,
  place: SectionPlace,
  channels: readonly number[],
) {
  const { codes } = block.sides[place.side];
  const units: { bandIndex: number; band: number; digits: number[] }[] = [];
  for (let start = 0; start < BLOCK_TOKEN_COUNT; start += UNIT_TOKEN_COUNT) {
    const count = Math.min(UNIT_TOKEN_COUNT, Math.max(0, block.tokenCount - start));
    for (const channel of channels) {
      const own = channel * BLOCK_TOKEN_COUNT + start;
      const present = codes.subarray(own, own + count);
      const first = firstBand(tables, place.side, channel);
      const bandIndex = count === 0 ? 0 : chooseBand(tables.bands, present, first);
      const band = tables.bands[first + bandIndex];
      const digits = new Array<number>(UNIT_TOKEN_COUNT).fill(isBall(band) ? POINT_MIDDLE : 0);
      for (let i = 0; i < count; i++) digits[i] = present[i] - bandLeast(band);
      units.push({ bandIndex, band, digits });
    }
  }
  return units;
}

/** The numbers of a unit: a point's place, or its digits. */
function unitNumbers(band: number, digits: readonly number[]): UnitNumber[] {
  return isBall(band)
    ? [{ value: pointPlace(digits), widthBits: bandBits(band) }]
    : packUnit(digits, bandLevels(band));
}
