/**
 * What a record stands for. FORMAT.md section 7.2.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import { CODE_BIAS } from "./band.ts";
import type { BandedLayout } from "./layout.ts";
import { type BandedTables, TOKEN_FACTORS } from "./tables.ts";
import { sinkValue, unpackBanded } from "./unpack.ts";

/**
 * A record's values by places, K and V: f32 `[64][channels]`. The last places of a sequence's first
 * block are its sinks. Every product is rounded to f32: code and step, then the token's factor.
 */
export function bandedValues(
  source: { layout: BandedLayout; tables: BandedTables },
  record: Uint32Array,
  hasSinks: boolean,
): [Float32Array, Float32Array] {
  const { layout, tables } = source;
  const { channelCount, headSize } = layout;
  const { block } = unpackBanded(layout, record, { tables, hasSinks });
  const [keys, values] = [KEY, VALUE].map((side: Side) => {
    const { codes, params } = block.sides[side];
    const factors = side === KEY ? TOKEN_FACTORS.key : TOKEN_FACTORS.value;
    return Float32Array.from({ length: BLOCK_TOKEN_COUNT * channelCount }, (_, i) => {
      const place = Math.floor(i / channelCount);
      const channel = i % channelCount;
      if (place >= block.tokenCount) {
        const head = Math.floor(channel / headSize);
        const at = { side, head, token: place - block.tokenCount, channel: channel % headSize };
        return sinkValue(layout, record, at);
      }
      const code = codes[channel * BLOCK_TOKEN_COUNT + place] - CODE_BIAS;
      const step = (side === KEY ? tables.keyStep : tables.valueStep)[channel];
      return Math.fround(code * step) * factors[params[place]];
    });
  });
  return [keys, values];
}
