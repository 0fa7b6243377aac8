/**
 * The quantiser of banded records. One step per token follows the magnitude of its V; channels have
 * steps of their own. The codes of a pack are chosen together: see `lattice.ts`. What that takes
 * from a V is given in part to the channel's next one, so that errors cancel where attention sums
 * over tokens. It uses only f32 products that every device rounds the same way, and integer
 * operations. FORMAT.md section 7.2.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import { f16ToNumber } from "../f16.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import { isFiniteTile, type QuantisedBlock, quantum } from "../quantised.ts";
import { type HeadShape, rawTileHalf } from "../raw_tile.ts";
import { CODE_BIAS } from "./band.ts";
import { CODE_PARTS, nearestPoint } from "./lattice.ts";
import { UNIT_TOKEN_COUNT } from "./levels.ts";
import { type BandedTables, NORM_PART_MAX, TOKEN_FACTORS, TOKEN_STEP_MAX } from "./tables.ts";

/** Values are at most this many codes from 0; their codes are at most one further. */
const VALUE_MAX = 126;
/** Places after which errors begin at 0 again. */
export const ERROR_PLACE_COUNT = 16;

/**
 * Quantises one layer of a block. The token at `firstToken` becomes place 0.
 *
 * @param tile Raw tile of one layer.
 * @param firstToken Tokens before it are sinks, which stay raw; 0 for none.
 * @returns `params` of both sides hold the token step of each place.
 *
 * @throws {RangeError} if a value is infinite or NaN.
 */
export function quantiseBanded(
  shape: HeadShape,
  tile: Uint32Array,
  options: { tables: BandedTables; firstToken: number },
): QuantisedBlock {
  const { tables, firstToken } = options;
  if (!isFiniteTile(shape, tile, BLOCK_TOKEN_COUNT)) {
    throw new RangeError("Cannot quantise a block: it holds infinity or NaN");
  }
  const tokenCount = BLOCK_TOKEN_COUNT - firstToken;
  const channelCount = shape.kvHeadCount * shape.headSize;
  const sides = [KEY, VALUE].map(() => ({
    codes: new Uint8Array(channelCount * BLOCK_TOKEN_COUNT),
    params: new Uint32Array(BLOCK_TOKEN_COUNT),
  }));
  // In parts of a code, by side: i32 `[channels][64]`.
  const parts = [KEY, VALUE].map(() => new Int32Array(channelCount * BLOCK_TOKEN_COUNT));
  for (let place = 0; place < tokenCount; place++) {
    const [keys, values] = [KEY, VALUE].map((side) =>
      tokenValues(shape, tile, { side, token: firstToken + place })
    );
    const scaled = [scaleToken(tables, KEY, keys), scaleToken(tables, VALUE, values)] as const;
    const step = tokenStep(tables, values, scaled);
    for (const side of [KEY, VALUE]) {
      sides[side].params[place] = step;
      const recip = factorRecip(side)[step];
      for (let channel = 0; channel < channelCount; channel++) {
        const limited = limit(Math.fround(scaled[side][channel] * recip));
        parts[side][channel * BLOCK_TOKEN_COUNT + place] = quantum(limited, CODE_PARTS);
      }
    }
  }
  for (const side of [KEY, VALUE]) {
    for (let channel = 0; channel < channelCount; channel++) {
      const start = channel * BLOCK_TOKEN_COUNT;
      const own = parts[side].subarray(start, start + tokenCount);
      sides[side].codes.set(channelCodes(own, side === VALUE), start);
    }
  }
  return { tokenCount, sides: [sides[KEY], sides[VALUE]] };
}

/** Biased codes of a channel's values, pack by pack. */
function channelCodes(parts: Int32Array, carries: boolean): number[] {
  let error = 0;
  const codes: number[] = [];
  for (let place = 0; place < parts.length; place += UNIT_TOKEN_COUNT) {
    if (place % ERROR_PLACE_COUNT === 0) error = 0;
    const point = nearestPoint(parts.subarray(place, place + UNIT_TOKEN_COUNT), { error, carries });
    codes.push(...point.codes.map((code) => code + CODE_BIAS));
    error = point.error;
  }
  return codes;
}

function limit(value: number): number {
  return Math.min(Math.max(value, -VALUE_MAX), VALUE_MAX);
}

/**
 * The step of a token: from the magnitude of its V, and coarser if its codes would not fit.
 *
 * @param values V of all channels.
 * @param scaled K and V in steps of token step 64.
 */
export function tokenStep(
  tables: BandedTables,
  values: Float32Array,
  scaled: readonly [Float32Array, Float32Array],
): number {
  let sum = 0;
  for (const value of values) {
    const part = Math.min(Math.fround(Math.abs(value) * tables.normRecip), NORM_PART_MAX);
    sum += quantum(part, 1);
  }
  let step = tables.thresholds.reduce((count, threshold) => count + (threshold <= sum ? 1 : 0), 0);
  const largest = scaled.map((side) => side.reduce((max, x) => Math.max(max, Math.abs(x)), 0));
  const overflows = (side: Side) => quantum(largest[side], factorRecip(side)[step]) > VALUE_MAX;
  while (step < TOKEN_STEP_MAX && (overflows(KEY) || overflows(VALUE))) step++;
  return step;
}

function factorRecip(side: Side): Float32Array {
  return side === KEY ? TOKEN_FACTORS.keyRecip : TOKEN_FACTORS.valueRecip;
}

function tokenValues(
  shape: HeadShape,
  tile: Uint32Array,
  at: { side: Side; token: number },
): Float32Array {
  const halves = new Uint16Array(tile.buffer, tile.byteOffset, tile.length * 2);
  const channelCount = shape.kvHeadCount * shape.headSize;
  return Float32Array.from(
    { length: channelCount },
    (_, channel) => f16ToNumber(halves[rawTileHalf(shape, at.side, channel, at.token)]),
  );
}

/** Values in steps of their channel, each product rounded to f32. */
function scaleToken(tables: BandedTables, side: Side, values: Float32Array): Float32Array {
  return values.map((value, channel) =>
    value * (side === KEY ? tables.keyRecip : tables.valueRecip)[channel]
  );
}
