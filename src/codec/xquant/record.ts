/**
 * XQuant records: groups with a minimum and a step, and codes that the layer behind reads too.
 * FORMAT.md section 10. Only f32 operations that every device rounds the same way, and integers.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { BlockValues } from "../codec.ts";
import { F16_MAX, f16FromNumber, f16ToNumber, isFiniteF16 } from "../f16.ts";
import { isFiniteTile } from "../quantised.ts";
import { rawTileHalf } from "../raw_tile.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import { LEVEL_UNITS, type XquantLayout } from "./layout.ts";

/**
 * Quantises and packs one layer of a block.
 *
 * @param tile Raw tile of 64 tokens.
 * @param hasCodes Whether the layer has codes of its own.
 * @throws {RangeError} if a value is infinite or NaN.
 */
export function packXquant(
  layout: XquantLayout,
  tile: Uint32Array,
  hasCodes: boolean,
): Uint32Array {
  if (!isFiniteTile(layout, tile, BLOCK_TOKEN_COUNT)) {
    throw new RangeError("Cannot quantise a block: it holds infinity or NaN");
  }
  const halves = new Uint16Array(tile.buffer, tile.byteOffset, tile.length * 2);
  const record = new Uint32Array(layout.recordWords(hasCodes));
  for (const { side, head, groupCount, valueCount, placeOf } of sections(layout)) {
    const { codeMax } = layout.sides[side];
    for (let group = 0; group < groupCount; group++) {
      const places = Array.from({ length: valueCount }, (_, index) => placeOf(group, index));
      const bits = places.map(({ channel, token }) =>
        halves[rawTileHalf(layout, side, head * layout.headSize + channel, token)]
      );
      const { low, range, step } = groupOf(bits, codeMax);
      record[layout.paramWord(side, head) + group] = (low | step << 16) >>> 0;
      if (!hasCodes) continue;
      const start = layout.paramWords + layout.codeWord(side, head);
      for (const [index, { channel, token }] of places.entries()) {
        const above = Math.fround(f16ToNumber(bits[index]) - f16ToNumber(low));
        const { word, bit } = layout.codePlace(side, channel, token);
        record[start + word] |= codeOf(above, range, codeMax) << bit;
      }
    }
  }
  return record;
}

/**
 * What a record stands for: `[64][kvHeadCount * headSize]`, each an f32, in the tokens' order.
 *
 * @param codes Those it is read with: `[layout.codeWords]`, its own or of the layer before.
 */
export function xquantValues(
  layout: XquantLayout,
  record: Uint32Array,
  codes: Uint32Array,
): BlockValues {
  const { channelCount, headSize } = layout;
  const read = [KEY, VALUE].map(() => new Float32Array(BLOCK_TOKEN_COUNT * channelCount));
  for (const { side, head, groupCount, valueCount, placeOf } of sections(layout)) {
    const { base, slope, codeMax } = layout.sides[side];
    for (let group = 0; group < groupCount; group++) {
      const params = record[layout.paramWord(side, head) + group];
      const [low, step] = [f16ToNumber(params & 0xffff), f16ToNumber(params >>> 16)];
      for (let index = 0; index < valueCount; index++) {
        const { channel, token } = placeOf(group, index);
        const { word, bit } = layout.codePlace(side, channel, token);
        const code = codes[layout.codeWord(side, head) + word] >>> bit & codeMax;
        const level = (base + slope * code) / LEVEL_UNITS;
        read[side][token * channelCount + head * headSize + channel] = low + step * level;
      }
    }
  }
  return { keys: read[KEY], values: read[VALUE] };
}

/** The codes that a record has. */
export function ownCodes(layout: XquantLayout, record: Uint32Array): Uint32Array {
  return record.subarray(layout.paramWords, layout.ownWords);
}

/**
 * Refuses a record that a conforming packer does not write.
 *
 * @throws {RangeError} naming what is wrong.
 */
export function checkXquant(layout: XquantLayout, record: Uint32Array): void {
  const { paramWords, ownWords } = layout;
  if (record.length !== paramWords && record.length !== ownWords) {
    throw new RangeError(
      `Cannot read a record: it has ${record.length} words, must have ${ownWords}, or ` +
        `${paramWords} without codes`,
    );
  }
  for (const params of record.subarray(0, paramWords)) {
    const [low, step] = [params & 0xffff, params >>> 16];
    if (!isFiniteF16(low)) {
      throw new RangeError(`Cannot read a record: a group has minimum ${f16ToNumber(low)}`);
    }
    if (!isFiniteF16(step) || step >= 0x8000) {
      throw new RangeError(`Cannot read a record: a group has step ${f16ToNumber(step)}`);
    }
  }
}

interface Group {
  /** Bits of the f16 minimum. */
  low: number;
  /** f32. */
  range: number;
  /** Bits of the f16 step. */
  step: number;
}

function groupOf(bits: readonly number[], codeMax: number): Group {
  // Signed magnitudes as integers that are in order, -0 before 0.
  const order = bits.map((each) => each >= 0x8000 ? each ^ 0xffff : each ^ 0x8000);
  const [low, high] = [Math.min(...order), Math.max(...order)].map((each) =>
    each < 0x8000 ? each ^ 0xffff : each ^ 0x8000
  );
  const range = Math.fround(f16ToNumber(high) - f16ToNumber(low));
  const step = Math.fround(range * Math.fround(1 / codeMax));
  return { low, range, step: f16FromNumber(Math.min(step, F16_MAX)) };
}

/** The nearest of the levels that divide a range evenly, the upper one of two; 0 of no range. */
function codeOf(above: number, range: number, codeMax: number): number {
  if (range === 0) return 0;
  let code = 0;
  for (let level = 1; level <= codeMax; level++) {
    if (Math.fround(2 * codeMax * above) >= Math.fround((2 * level - 1) * range)) code = level;
  }
  return code;
}

interface Section {
  side: Side;
  head: number;
  groupCount: number;
  /** Values of a group. */
  valueCount: number;
  placeOf(group: number, index: number): { channel: number; token: number };
}

/** K in groups of a channel's tokens, V in groups of a token's channels. */
function sections({ kvHeadCount, headSize }: XquantLayout): Section[] {
  const heads = Array.from({ length: kvHeadCount }, (_, head) => head);
  return [
    ...heads.map((head): Section => ({
      side: KEY,
      head,
      groupCount: headSize,
      valueCount: BLOCK_TOKEN_COUNT,
      placeOf: (channel, token) => ({ channel, token }),
    })),
    ...heads.map((head): Section => ({
      side: VALUE,
      head,
      groupCount: BLOCK_TOKEN_COUNT,
      valueCount: headSize,
      placeOf: (token, channel) => ({ channel, token }),
    })),
  ];
}
