/**
 * Packing a quantised block into a banded record. FORMAT.md sections 7.3 to 7.5.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT, divCeil } from "../../core/shapes.ts";
import { writeBits } from "../bits.ts";
import type { QuantisedBlock } from "../quantised.ts";
import { type HeadShape, rawTileHalf } from "../raw_tile.ts";
import { BAND_INDEX_BITS, bandFrom, chooseBand } from "./band.ts";
import {
  type BandedLayout,
  PART_CHANNEL_COUNT,
  PLANE_WORDS,
  ROW_COUNT,
  type SectionPlace,
} from "./layout.ts";
import { packUnit, UNIT_TOKEN_COUNT, unitBits } from "./levels.ts";
import { type BandedTables, channelBands } from "./tables.ts";

/** What the sections of a record are made of. */
export interface BandedSource {
  /** Codes and token steps. */
  block: QuantisedBlock;
  /** Static tables of the layer. */
  tables: BandedTables;
}

/**
 * Packs one layer of a block.
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
  const payloadWords = sections.reduce((sum, each) => sum + each.length - PLANE_WORDS, 0);
  const record = new Uint32Array(layout.recordWords(payloadWords, hasSinks));
  let start = layout.sectionsWord(hasSinks);
  for (const [index, section] of sections.entries()) {
    record[index] = start;
    record.set(section, start);
    start += section.length;
  }
  for (let place = 0; place < BLOCK_TOKEN_COUNT; place++) {
    const step = source.block.sides[0].params[place];
    record[layout.stepsWord + (place >> 2)] |= step << (8 * (place & 3));
  }
  record.set(sinks, layout.sinksWord);
  return record;
}

/** Payload words of each section of the record that {@link packBanded} gives. */
export function measureBanded(layout: BandedLayout, source: BandedSource): Uint32Array {
  return Uint32Array.from(packSections(layout, source), (each) => each.length - PLANE_WORDS);
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

function packSections(layout: BandedLayout, source: BandedSource): Uint32Array[] {
  return Array.from(
    { length: layout.sectionCount },
    (_, index) => packSection(layout, source, layout.sectionPlace(index)),
  );
}

function packSection(
  layout: BandedLayout,
  source: BandedSource,
  place: SectionPlace,
): Uint32Array {
  const units = sectionUnits(layout, source, place);
  const payloadBits = units.reduce((sum, { levels }) => sum + unitBits(levels), 0);
  const words = new Uint32Array(PLANE_WORDS + divCeil(payloadBits, 32));
  let bit = PLANE_WORDS * 32;
  for (const [index, { bandIndex, levels, digits }] of units.entries()) {
    const row = Math.floor(index / PART_CHANNEL_COUNT);
    const channel = index % PART_CHANNEL_COUNT;
    for (let plane = 0; plane < BAND_INDEX_BITS; plane++) {
      const planeBit = (row * BAND_INDEX_BITS + plane) * 32 + channel;
      writeBits(words, planeBit, { value: (bandIndex >> plane) & 1, widthBits: 1 });
    }
    for (const number of packUnit(digits, levels)) {
      writeBits(words, bit, number);
      bit += number.widthBits;
    }
  }
  return words;
}

/** The units of a section by row, then channel. */
function sectionUnits(layout: BandedLayout, source: BandedSource, place: SectionPlace) {
  const { block, tables } = source;
  const first = layout.firstChannel(place);
  return Array.from({ length: ROW_COUNT * PART_CHANNEL_COUNT }, (_, index) => {
    const channel = first + (index % PART_CHANNEL_COUNT);
    const start = Math.floor(index / PART_CHANNEL_COUNT) * UNIT_TOKEN_COUNT;
    const end = Math.min(start + UNIT_TOKEN_COUNT, block.tokenCount);
    const own = channel * BLOCK_TOKEN_COUNT;
    const codes = block.sides[place.side].codes.subarray(own + start, own + Math.max(start, end));
    const bands = channelBands(tables, place.side, channel);
    const bandIndex = codes.length === 0
      ? 0
      : chooseBand(bands, Math.min(...codes), Math.max(...codes));
    const { least, levels } = bandFrom(bands[bandIndex]);
    const digits = Array.from(
      { length: UNIT_TOKEN_COUNT },
      (_, i) => i < codes.length ? codes[i] - least : 0,
    );
    return { bandIndex, levels, digits };
  });
}
