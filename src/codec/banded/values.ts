/**
 * What a record stands for. FORMAT.md section 7.2.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { QuantisedBlock } from "../quantised.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import { CODE_BIAS } from "./band.ts";
import { isDropped } from "./dropped.ts";
import { isShifted, placeShift } from "./lattice.ts";
import type { BandedLayout } from "./layout.ts";
import { UNIT_TOKEN_COUNT } from "./levels.ts";
import { type BandedTables, TOKEN_FACTORS } from "./tables.ts";
import { sinkValue, unpackBanded } from "./unpack.ts";

/**
 * A record's values by places, K and V: f32 `[64][channels]`. The last places of a sequence's first
 * block are its sinks.
 */
export function bandedValues(
  source: { layout: BandedLayout; tables: BandedTables },
  record: Uint32Array,
  hasSinks: boolean,
): [Float32Array, Float32Array] {
  const { layout, tables } = source;
  const { kvHeadCount, headSize, channelCount } = layout;
  const { block } = unpackBanded(layout, record, { tables, hasSinks });
  const [keys, values] = [KEY, VALUE].map((side: Side) => {
    const all = packedValues(tables, block, side);
    for (let token = 0; token < BLOCK_TOKEN_COUNT - block.tokenCount; token++) {
      const start = (block.tokenCount + token) * channelCount;
      for (let channel = 0; channel < kvHeadCount * headSize; channel++) {
        const head = Math.floor(channel / headSize);
        const at = { side, head, token, channel: channel % headSize };
        all[start + channel] = sinkValue(layout, record, at);
      }
    }
    return all;
  });
  return [keys, values];
}

/**
 * The values of a block's codes: f32 `[64][channels]`, 0 in absent places and in channels that are
 * dropped. Every product is rounded to f32: code and step, then the token's factor.
 */
export function packedValues(
  tables: BandedTables,
  block: QuantisedBlock,
  side: Side,
): Float32Array {
  const { codes, params } = block.sides[side];
  const factors = side === KEY ? TOKEN_FACTORS.key : TOKEN_FACTORS.value;
  const steps = side === KEY ? tables.keyStep : tables.valueStep;
  const values = new Float32Array(BLOCK_TOKEN_COUNT * steps.length);
  for (const [channel, step] of steps.entries()) {
    const own = channel * BLOCK_TOKEN_COUNT;
    if (isDropped(codes.subarray(own, own + block.tokenCount))) continue;
    for (let first = 0; first < block.tokenCount; first += UNIT_TOKEN_COUNT) {
      const end = Math.min(first + UNIT_TOKEN_COUNT, block.tokenCount);
      const start = channel * BLOCK_TOKEN_COUNT;
      const pack = codes.subarray(start + first, start + end);
      const isOff = isShifted(pack);
      for (const [place, code] of pack.entries()) {
        const point = code - CODE_BIAS + (isOff ? placeShift(place) : 0);
        const value = Math.fround(point * step) * factors[params[first + place]];
        values[(first + place) * steps.length + channel] = value;
      }
    }
  }
  return values;
}
