/**
 * The quantiser of banded records. One step per token follows the magnitude of its V; channels have
 * steps of their own. What rounding takes from a V is given in part to the channel's next one, so
 * that errors cancel where attention sums over tokens. It uses only f32 products that every device
 * rounds the same way, and integer operations. FORMAT.md section 7.2.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import { f16ToNumber } from "../f16.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import { isFiniteTile, type QuantisedBlock, quantum } from "../quantised.ts";
import { type HeadShape, rawTileHalf } from "../raw_tile.ts";
import { CODE_BIAS } from "./band.ts";
import { type BandedTables, NORM_PART_MAX, TOKEN_FACTORS, TOKEN_STEP_MAX } from "./tables.ts";

/** Codes are -127 to 127 before the bias. */
const CODE_MAX = 127;

/** Parts of a code in which V's errors are counted. */
const CODE_PARTS = 256;
/** A power of two: this part of a V's error is given to the channel's next V. */
const ERROR_SHIFT_BITS = 2;
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
  const errors = new Int32Array(channelCount);
  for (let place = 0; place < tokenCount; place++) {
    if (place % ERROR_PLACE_COUNT === 0) errors.fill(0);
    const scaled = [KEY, VALUE].map((side) => {
      const values = tokenValues(shape, tile, { side, token: firstToken + place });
      return { values, scaled: scaleToken(tables, side, values) };
    });
    const step = tokenStep(tables, scaled[VALUE].values, [
      scaled[KEY].scaled,
      scaled[VALUE].scaled,
    ]);
    for (const side of [KEY, VALUE]) sides[side].params[place] = step;
    const [keyRecip, valueRecip] = [KEY, VALUE].map((side) => factorRecip(side)[step]);
    for (let channel = 0; channel < channelCount; channel++) {
      const at = channel * BLOCK_TOKEN_COUNT + place;
      const key = limitCode(quantum(scaled[KEY].scaled[channel], keyRecip));
      sides[KEY].codes[at] = key + CODE_BIAS;
      const value = valueCode(scaled[VALUE].scaled[channel], valueRecip, errors[channel]);
      sides[VALUE].codes[at] = value.code + CODE_BIAS;
      errors[channel] = value.error;
    }
  }
  return { tokenCount, sides: [sides[KEY], sides[VALUE]] };
}

/**
 * The code of a V, and its error in parts of a code.
 *
 * @param scaled V in steps of token step 64.
 * @param error Of the channel's V before it.
 */
function valueCode(scaled: number, recip: number, error: number): { code: number; error: number } {
  const limited = limitCode(Math.fround(scaled * recip));
  const parts = quantum(limited, CODE_PARTS) + (error >> ERROR_SHIFT_BITS);
  const code = limitCode(Math.floor((parts + CODE_PARTS / 2) / CODE_PARTS));
  return { code, error: parts - code * CODE_PARTS };
}

function limitCode(code: number): number {
  return Math.min(Math.max(code, -CODE_MAX), CODE_MAX);
}

/** The value read back from a biased code. Exact products of f32 in f64. */
export function dequantiseBanded(
  tables: BandedTables,
  code: number,
  at: { side: Side; channel: number; step: number },
): number {
  const { side, channel, step } = at;
  const value = code - CODE_BIAS;
  return side === KEY
    ? value * tables.keyStep[channel] * TOKEN_FACTORS.key[step]
    : value * tables.valueStep[channel] * TOKEN_FACTORS.value[step];
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
  const overflows = (side: Side) => quantum(largest[side], factorRecip(side)[step]) > CODE_MAX;
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
