/**
 * The checks on a banded record that comes from outside. FORMAT.md section 7.7.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT, divCeil } from "../../core/shapes.ts";
import { isFiniteF16 } from "../f16.ts";
import { bandLeast, chooseBand, isBall } from "./band.ts";
import { wholeSection } from "./dropped.ts";
import { type BandedLayout, PART_CHANNEL_COUNT, ROW_COUNT } from "./layout.ts";
import { UNIT_TOKEN_COUNT } from "./levels.ts";
import { POINT_MIDDLE } from "./points.ts";
import type { BandedTables } from "./tables.ts";
import { UnitReader } from "./units.ts";
import { stepAt } from "./unpack.ts";

/** What a record is checked against. */
export interface BandedFacts {
  /** Static tables of the layer. */
  tables: BandedTables;
  /** Whether it is the first block of a sequence with sinks. */
  hasSinks: boolean;
}

/**
 * Refuses a record that a conforming packer does not write, and one with dropped channels, which
 * never leaves the device that made it but to come back. Reads nothing outside it.
 *
 * @throws {RangeError} naming what is wrong.
 */
export function checkBanded(layout: BandedLayout, record: Uint32Array, facts: BandedFacts): void {
  const { hasSinks } = facts;
  if (
    record.length < layout.recordWords(0, hasSinks) || record.length > layout.recordWordsMax
  ) {
    refuse(`${record.length} words are not a record of this layout`);
  }
  checkTokens(layout, record, hasSinks);
  let start = layout.sectionsWord(hasSinks);
  for (let index = 0; index < layout.sectionCount; index++) {
    if (record[index] !== start) refuse(`section ${index} does not start at word ${start}`);
    start += checkSection(layout, record.subarray(start), { ...facts, index });
  }
  const payloadWords = start - layout.fixedWords(hasSinks);
  if (layout.recordWords(payloadWords, hasSinks) !== record.length) {
    refuse(`it has ${record.length} words, its sections end at ${start}`);
  }
  if (record.subarray(start).some((word) => word !== 0)) refuse("its padding is not zero");
}

function checkTokens(layout: BandedLayout, record: Uint32Array, hasSinks: boolean): void {
  for (let place = layout.packedTokenCount(hasSinks); place < BLOCK_TOKEN_COUNT; place++) {
    if (stepAt(layout, record, place) !== 0) refuse(`absent token ${place} has a step`);
  }
  const sinks = record.subarray(layout.sinksWord, layout.sectionsWord(hasSinks));
  if (sinks.some((word) => !isFiniteF16(word & 0xffff) || !isFiniteF16(word >>> 16))) {
    refuse("a sink holds infinity or NaN");
  }
}

/** Returns the words of the section. */
function checkSection(
  layout: BandedLayout,
  section: Uint32Array,
  facts: BandedFacts & { index: number },
): number {
  const { index } = facts;
  const tokenCount = layout.packedTokenCount(facts.hasSinks);
  const unit = new UnitReader(layout, wholeSection(section), facts);
  let count = 0;
  while (unit.next()) {
    checkUnit(unit, { ...facts, tokenCount });
    count++;
  }
  if (count < ROW_COUNT * PART_CHANNEL_COUNT) refuse(`section ${index} is cut`);
  const { endBit } = unit;
  const wordCount = divCeil(endBit, 32);
  const tailBits = endBit & 31;
  if (tailBits !== 0 && section[wordCount - 1] >>> tailBits !== 0) {
    refuse(`section ${index} has bits after its last unit`);
  }
  return wordCount;
}

/** A unit is the one its own digits give, in the first band that holds them. */
function checkUnit(
  unit: UnitReader,
  { index, tables, tokenCount }: { index: number; tables: BandedTables; tokenCount: number },
): void {
  if (!unit.isCanonical) refuse(`section ${index} has a unit that no digits give`);
  const presentCount = Math.min(UNIT_TOKEN_COUNT, Math.max(0, tokenCount - unit.firstPlace));
  const absent = bandLeast(unit.band) + (isBall(unit.band) ? POINT_MIDDLE : 0);
  for (let place = presentCount; place < UNIT_TOKEN_COUNT; place++) {
    if (unit.codes[place] !== absent) refuse(`section ${index} has digits of an absent token`);
  }
  const isWhole = presentCount === UNIT_TOKEN_COUNT;
  const present = isWhole ? unit.codes : unit.codes.slice(0, presentCount);
  const expected = presentCount === 0 ? 0 : chooseBand(tables.bands, present, unit.bandsWord);
  if (unit.bandIndex !== expected) {
    refuse(`section ${index} has a pack in band ${unit.bandIndex}, which belongs in ${expected}`);
  }
}

function refuse(what: string): never {
  throw new RangeError(`Cannot read a record: ${what}`);
}
