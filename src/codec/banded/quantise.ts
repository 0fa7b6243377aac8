/**
 * The quantiser of banded records. One step per token follows the magnitude of its V; K also has
 * one per channel. It uses only f32 products that every device rounds the same way, and integer
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
import { type BandedTables, NORM_PART_MAX, TOKEN_FACTORS, TOKEN_STEP_MAX } from "./tables.ts";

/** Codes are -127 to 127 before the bias. */
const CODE_MAX = 127;

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
  for (let place = 0; place < tokenCount; place++) {
    const scaled = [KEY, VALUE].map((side) => {
      const values = tokenValues(shape, tile, { side, token: firstToken + place });
      return { values, scaled: scaleToken(tables, side, values) };
    });
    const step = tokenStep(tables, scaled[VALUE].values, [
      scaled[KEY].scaled,
      scaled[VALUE].scaled,
    ]);
    for (const side of [KEY, VALUE]) {
      sides[side].params[place] = step;
      const recip = factorRecip(side)[step];
      for (let channel = 0; channel < channelCount; channel++) {
        const code = quantum(scaled[side].scaled[channel], recip);
        const limited = Math.min(Math.max(code, -CODE_MAX), CODE_MAX);
        sides[side].codes[channel * BLOCK_TOKEN_COUNT + place] = limited + CODE_BIAS;
      }
    }
  }
  return { tokenCount, sides: [sides[KEY], sides[VALUE]] };
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
