/**
 * Reading a layer record: its codes and token parameters, and the checks on one that comes from
 * outside. FORMAT.md sections 6.4 and 6.7.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT, divCeil } from "../../core/shapes.ts";
import { readBits } from "../bits.ts";
import { f16ToNumber } from "../f16.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import type { PaperLayout } from "./layout.ts";
import type { QuantisedBlock, QuantisedSide } from "../quantised.ts";

/** Widths of the packs of a section, `[rowCount][headSize]`. */
function sectionWidths(layout: PaperLayout, section: Uint32Array, side: Side): Uint8Array {
  const { headSize, rowCount } = layout;
  const widths = new Uint8Array(rowCount * headSize);
  for (let index = 0; index < widths.length; index++) {
    const row = Math.floor(index / headSize);
    for (let plane = 0; plane < layout.widthBits(side); plane++) {
      const bit = layout.planeWord(side, row, plane) * 32 + (index % headSize);
      widths[index] |= readBits(section, bit, 1) << plane;
    }
  }
  return widths;
}

/**
 * Unpacks a record that is known to be well formed: packed here, or checked by {@link checkPaper}.
 *
 * @param tokenCount Tokens present, 1 to 64.
 * @returns The block with its tokens in packed order.
 */
export function unpackPaper(
  layout: PaperLayout,
  record: Uint32Array,
  tokenCount: number = BLOCK_TOKEN_COUNT,
): QuantisedBlock {
  const sides = [KEY, VALUE].map((side): QuantisedSide => {
    const paramsWord = layout.paramsWord(side);
    const params = record.slice(paramsWord, paramsWord + BLOCK_TOKEN_COUNT);
    const channelCount = layout.kvHeadCount * layout.headSize;
    const codes = new Uint8Array(channelCount * BLOCK_TOKEN_COUNT);
    for (let head = 0; head < layout.kvHeadCount; head++) {
      const section = record.subarray(record[side * layout.kvHeadCount + head]);
      const headCodes = codes.subarray(head * layout.headSize * BLOCK_TOKEN_COUNT);
      unpackSection(layout, section, { side, tokenCount, codes: headCodes });
    }
    return { codes, params };
  });
  return { tokenCount, sides: [sides[KEY], sides[VALUE]] };
}

function unpackSection(
  layout: PaperLayout,
  section: Uint32Array,
  target: { side: Side; tokenCount: number; codes: Uint8Array },
): void {
  const { headSize, packSize } = layout;
  const { side, tokenCount, codes } = target;
  const bits = layout.bits(side);
  let bit = layout.payloadWord(side) * 32;
  for (const [index, width] of sectionWidths(layout, section, side).entries()) {
    const row = Math.floor(index / headSize);
    const channel = index % headSize;
    const minimaBit = (layout.minimaWord(side) + row * layout.minimaRowWords(side)) * 32;
    const minimum = readBits(section, minimaBit + channel * bits, bits);
    for (let place = 0; place < packSize; place++) {
      const token = row * packSize + place;
      if (token >= tokenCount) break;
      codes[channel * BLOCK_TOKEN_COUNT + token] = minimum +
        readBits(section, bit + place * width, width);
    }
    bit += packSize * width;
  }
}

/**
 * Checks that a record is exactly what a conforming packer could have written, without reading
 * outside it: section table, widths, padding, codes, parameters.
 *
 * @throws {RangeError} naming what is wrong.
 */
export function checkPaper(layout: PaperLayout, record: Uint32Array, tokenCount: number): void {
  if (record.length < layout.recordWordsMin || record.length > layout.recordWordsMax) {
    refuse(`${record.length} words are not a record of this layout`);
  }
  let start = layout.sectionsWord;
  for (let index = 0; index < layout.sectionCount; index++) {
    if (record[index] !== start) refuse(`section ${index} does not start at word ${start}`);
    const side = layout.sideOf(index);
    const section = record.subarray(start);
    if (section.length < layout.payloadWord(side)) refuse(`section ${index} is cut`);
    start += checkSection(layout, section, { index, side, tokenCount });
  }
  if (layout.recordWords(start - layout.fixedWords) !== record.length) {
    refuse(`it has ${record.length} words, its sections end at ${start}`);
  }
  if (record.subarray(start).some((word) => word !== 0)) refuse("its padding is not zero");
  for (const side of [KEY, VALUE]) checkParams(layout, record, { side, tokenCount });
}

/** Returns the words of the section. */
function checkSection(
  layout: PaperLayout,
  section: Uint32Array,
  facts: { index: number; side: Side; tokenCount: number },
): number {
  const { index, side, tokenCount } = facts;
  const widths = sectionWidths(layout, section, side);
  if (widths.some((width) => width > layout.bits(side))) {
    refuse(`section ${index} has a width above ${layout.bits(side)}`);
  }
  const widthSum = widths.reduce((sum, width) => sum + width, 0);
  const payloadWord = layout.payloadWord(side);
  const payloadBits = layout.packSize * widthSum;
  const wordCount = payloadWord + divCeil(payloadBits, 32);
  if (wordCount > section.length) refuse(`section ${index} is cut`);
  const tailBits = payloadBits & 31;
  if (tailBits !== 0 && section[wordCount - 1] >>> tailBits !== 0) {
    refuse(`section ${index} has bits after its last pack`);
  }
  checkPacks(layout, section, { index, side, tokenCount, widths });
  return wordCount;
}

/** Every pack holds what its own codes give: a true minimum, the least width, no absent bits. */
function checkPacks(
  layout: PaperLayout,
  section: Uint32Array,
  facts: { index: number; side: Side; tokenCount: number; widths: Uint8Array },
): void {
  const { headSize, packSize } = layout;
  const { index, side, tokenCount, widths } = facts;
  const bits = layout.bits(side);
  let bit = layout.payloadWord(side) * 32;
  for (const [pack, width] of widths.entries()) {
    const row = Math.floor(pack / headSize);
    const minimaBit = (layout.minimaWord(side) + row * layout.minimaRowWords(side)) * 32;
    const minimum = readBits(section, minimaBit + (pack % headSize) * bits, bits);
    const presentCount = Math.max(0, Math.min(packSize, tokenCount - row * packSize));
    let smallest = presentCount === 0 ? 0 : Infinity;
    let largest = 0;
    for (let place = 0; place < packSize; place++) {
      const value = readBits(section, bit + place * width, width);
      if (place >= presentCount) {
        if (value !== 0) refuse(`section ${index} has bits of an absent token`);
        continue;
      }
      smallest = Math.min(smallest, value);
      largest = Math.max(largest, value);
    }
    if (smallest !== 0) refuse(`section ${index} has a minimum that no token has`);
    if (32 - Math.clz32(largest) !== width) refuse(`section ${index} has a width not needed`);
    if (minimum + largest >= 2 ** bits) refuse(`section ${index} has a code above ${bits} bits`);
    if (presentCount === 0 && minimum !== 0) refuse(`section ${index} has an absent minimum`);
    bit += packSize * width;
  }
}

/** Present tokens have a scale that is a positive normal f16, absent ones have zero words. */
function checkParams(
  layout: PaperLayout,
  record: Uint32Array,
  facts: { side: Side; tokenCount: number },
): void {
  const paramsWord = layout.paramsWord(facts.side);
  for (let token = 0; token < BLOCK_TOKEN_COUNT; token++) {
    const params = record[paramsWord + token];
    if (token >= facts.tokenCount) {
      if (params !== 0) refuse(`absent token ${token} has parameters`);
      continue;
    }
    const scale = f16ToNumber(params & 0xffff);
    if (!(scale >= 2 ** -14 && scale < Infinity)) refuse(`token ${token} has scale ${scale}`);
  }
}

function refuse(what: string): never {
  throw new RangeError(`Cannot read a record: ${what}`);
}
