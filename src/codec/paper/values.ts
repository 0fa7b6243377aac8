/**
 * What a record stands for. FORMAT.md section 6.2.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { BlockValues } from "../codec.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import type { PaperLayout } from "./layout.ts";
import { dequantise } from "./quantise.ts";
import { unpackPaper } from "./unpack.ts";

/** The values of 64 tokens in packed order, exact: f64 `[64][kvHeadCount * headSize]` each. */
export function paperValues(layout: PaperLayout, record: Uint32Array): BlockValues {
  const block = unpackPaper(layout, record);
  const channelCount = layout.kvHeadCount * layout.headSize;
  const read = (side: Side) => {
    const { codes, params } = block.sides[side];
    return Float64Array.from({ length: BLOCK_TOKEN_COUNT * channelCount }, (_, i) => {
      const token = Math.floor(i / channelCount);
      return dequantise(codes[(i % channelCount) * BLOCK_TOKEN_COUNT + token], params[token]);
    });
  };
  return { keys: read(KEY), values: read(VALUE) };
}
