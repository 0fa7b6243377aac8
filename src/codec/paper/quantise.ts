/**
 * The quantiser: each token of a side gets one step and one zero, each value an integer code.
 * FORMAT.md section 6. It uses only f32 operations that every device rounds the same way, and
 * integer operations, so that a GPU gives the same codes bit for bit.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import { f16ToNumber } from "../f16.ts";
import { isFiniteTile, type QuantisedBlock, type QuantisedSide, quantum } from "../quantised.ts";
import { type HeadShape, rawTileHalf } from "../raw_tile.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import { SCALE_MIN, scaleOf, type TokenScale } from "../scale.ts";
import { codeBits } from "./layout.ts";

/** Settings of the quantiser. */
export interface QuantiseOptions {
  /** Step of K relative to a token's range, within [1/254, 0.5]. */
  keyRel: number;
  /** Step of V relative to a token's range, within [1/254, 0.5]. */
  valueRel: number;
  /** Tokens present, 1 to 64; 64 if left out. */
  tokenCount?: number;
}

/** The zero is at most about this, so that it fits 16 bits. FORMAT.md section 6.1. */
export const ZERO_MAX = 32000;

/** The scale of a token whose values span `low` to `high`; both are f16 values. */
export function tokenScale(low: number, high: number, rel: number): TokenScale {
  const step = Math.fround(Math.fround(high - low) * Math.fround(rel));
  const largest = Math.max(Math.abs(low), Math.abs(high));
  return scaleOf(Math.max(step, SCALE_MIN, Math.fround(largest * Math.fround(1 / ZERO_MAX))));
}

/** One word of token parameters: scale in the low half, zero in the high half. */
export function packParams(scaleBits: number, zero: number): number {
  return ((zero << 16) | scaleBits) >>> 0;
}

/** The value read back from a code: `(code + zero) * scale`. Exact. */
export function dequantise(code: number, params: number): number {
  return (code + ((params | 0) >> 16)) * f16ToNumber(params & 0xffff);
}

/**
 * Quantises one layer of a block. FORMAT.md section 6.
 *
 * @param tile Raw tile of one layer.
 *
 * @throws {RangeError} if a value is infinite or NaN, or `tokenCount` is not 1 to 64.
 */
export function quantisePaper(
  shape: HeadShape,
  tile: Uint32Array,
  options: QuantiseOptions,
): QuantisedBlock {
  const { keyRel, valueRel, tokenCount = BLOCK_TOKEN_COUNT } = options;
  if (!(Number.isInteger(tokenCount) && tokenCount >= 1 && tokenCount <= BLOCK_TOKEN_COUNT)) {
    throw new RangeError(`Cannot quantise a block: tokenCount is ${tokenCount}, must be 1 to 64`);
  }
  if (!isFiniteTile(shape, tile, tokenCount)) {
    throw new RangeError("Cannot quantise a block: it holds infinity or NaN");
  }
  const key = quantiseSide(shape, tile, { side: KEY, rel: keyRel, tokenCount });
  const value = quantiseSide(shape, tile, { side: VALUE, rel: valueRel, tokenCount });
  return { tokenCount, sides: [key, value] };
}

function quantiseSide(
  shape: HeadShape,
  tile: Uint32Array,
  options: { side: Side; rel: number; tokenCount: number },
): QuantisedSide {
  const { side, rel, tokenCount } = options;
  const halves = new Uint16Array(tile.buffer, tile.byteOffset, tile.length * 2);
  const channelCount = shape.kvHeadCount * shape.headSize;
  const codes = new Uint8Array(channelCount * BLOCK_TOKEN_COUNT);
  const params = new Uint32Array(BLOCK_TOKEN_COUNT);
  const codeMax = 2 ** codeBits(rel) - 1;
  const row = new Float64Array(channelCount);
  for (let token = 0; token < tokenCount; token++) {
    let low = Infinity;
    let high = -Infinity;
    for (let channel = 0; channel < channelCount; channel++) {
      row[channel] = f16ToNumber(halves[rawTileHalf(shape, side, channel, token)]);
      low = Math.min(low, row[channel]);
      high = Math.max(high, row[channel]);
    }
    const { scaleBits, reciprocal } = tokenScale(low, high, rel);
    const zero = quantum(low, reciprocal);
    params[token] = packParams(scaleBits, zero);
    for (let channel = 0; channel < channelCount; channel++) {
      const code = quantum(row[channel], reciprocal) - zero;
      codes[channel * BLOCK_TOKEN_COUNT + token] = Math.min(Math.max(code, 0), codeMax);
    }
  }
  return { codes, params };
}
