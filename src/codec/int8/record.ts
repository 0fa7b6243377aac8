/**
 * Int8 records: each token of a head has one scale, each value a signed byte. FORMAT.md section 8.
 * Only f32 operations that every device rounds the same way, and integers.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { BlockValues } from "../codec.ts";
import { f16ToNumber } from "../f16.ts";
import { isFiniteTile, quantum } from "../quantised.ts";
import { rawTileHalf } from "../raw_tile.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import { SCALE_MIN, scaleOf } from "../scale.ts";
import { type Int8Layout, SCALE_WORDS } from "./layout.ts";

/** Codes are -127 to 127. */
export const CODE_MAX = 127;

/**
 * Quantises and packs one layer of a block.
 *
 * @param tile Raw tile of 64 tokens.
 * @throws {RangeError} if a value is infinite or NaN.
 */
export function packInt8(layout: Int8Layout, tile: Uint32Array): Uint32Array {
  if (!isFiniteTile(layout, tile, BLOCK_TOKEN_COUNT)) {
    throw new RangeError("Cannot quantise a block: it holds infinity or NaN");
  }
  const halves = new Uint16Array(tile.buffer, tile.byteOffset, tile.length * 2);
  const record = new Uint32Array(layout.recordWords);
  for (const { side, head, scales, codes } of sections(layout, record)) {
    for (let token = 0; token < BLOCK_TOKEN_COUNT; token++) {
      const values = Float64Array.from({ length: layout.headSize }, (_, channel) => {
        const place = rawTileHalf(layout, side, head * layout.headSize + channel, token);
        return f16ToNumber(halves[place]);
      });
      const largest = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
      const step = Math.fround(largest * Math.fround(1 / CODE_MAX));
      const { scaleBits, reciprocal } = scaleOf(Math.max(step, SCALE_MIN));
      scales[token] = scaleBits;
      for (const [channel, value] of values.entries()) {
        const code = Math.max(-CODE_MAX, Math.min(CODE_MAX, quantum(value, reciprocal)));
        codes[layout.codeByte(side, channel, token)] = code;
      }
    }
  }
  return record;
}

/** What a record stands for: f64 `[64][kvHeadCount * headSize]`, exact, in the tokens' order. */
export function int8Values(layout: Int8Layout, record: Uint32Array): BlockValues {
  const { channelCount, headSize } = layout;
  const read = [KEY, VALUE].map(() => new Float64Array(BLOCK_TOKEN_COUNT * channelCount));
  for (const { side, head, scales, codes } of sections(layout, record.slice())) {
    for (let token = 0; token < BLOCK_TOKEN_COUNT; token++) {
      const scale = f16ToNumber(scales[token]);
      for (let channel = 0; channel < headSize; channel++) {
        const code = codes[layout.codeByte(side, channel, token)];
        read[side][token * channelCount + head * headSize + channel] = code * scale;
      }
    }
  }
  return { keys: read[KEY], values: read[VALUE] };
}

/**
 * Refuses a record that a conforming packer does not write.
 *
 * @throws {RangeError} naming what is wrong.
 */
export function checkInt8(layout: Int8Layout, record: Uint32Array): void {
  if (record.length !== layout.recordWords) {
    throw new RangeError(
      `Cannot read a record: it has ${record.length} words, must have ${layout.recordWords}`,
    );
  }
  for (const { scales, codes } of sections(layout, record.slice())) {
    const scale = Array.from(scales, f16ToNumber).find((each) =>
      !(each >= SCALE_MIN && each < Infinity)
    );
    if (scale !== undefined) {
      throw new RangeError(`Cannot read a record: a token has scale ${scale}`);
    }
    if (codes.includes(-128)) throw new RangeError("Cannot read a record: it has code -128");
  }
}

interface Section {
  side: Side;
  head: number;
  /** f16 `[64]`. */
  scales: Uint16Array;
  codes: Int8Array;
}

/** Views of a record's sections; the record begins its buffer. */
function sections(layout: Int8Layout, record: Uint32Array): Section[] {
  return [KEY, VALUE].flatMap((side) =>
    Array.from({ length: layout.kvHeadCount }, (_, head) => {
      const start = record.byteOffset + layout.sectionWord(side, head) * 4;
      const codeBytes = (layout.sectionWords - SCALE_WORDS) * 4;
      return {
        side,
        head,
        scales: new Uint16Array(record.buffer, start, BLOCK_TOKEN_COUNT),
        codes: new Int8Array(record.buffer, start + SCALE_WORDS * 4, codeBytes),
      };
    })
  );
}
