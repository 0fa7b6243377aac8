import { CODE_BIAS } from "../../codec/banded/band.ts";
import type { BandedLayout } from "../../codec/banded/layout.ts";
import { type BandedTables, TOKEN_FACTORS } from "../../codec/banded/tables.ts";
import { sinkValue, unpackBanded } from "../../codec/banded/unpack.ts";
import { KEY, type Side, VALUE } from "../../codec/record.ts";
import { rawTileFrom } from "../../codec/raw_tile.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";

/** Inputs of {@link blockUnpackBandedReference}. */
export interface BlockUnpackBandedInputs {
  layout: BandedLayout;
  tables: BandedTables;
  arena: Uint32Array;
  /** Word offsets of one slot's blocks. */
  directory: Uint32Array;
  firstBlock: number;
  blockCount: number;
}

/** Largest finite f16. */
const F16_MAX = 65504;

/** CPU twin of `shaders/block_unpack/banded.wgsl`: raw tiles `[blockCount][tileWords]`. */
export function blockUnpackBandedReference(inputs: BlockUnpackBandedInputs): Uint32Array {
  const { layout, arena, directory, firstBlock, blockCount } = inputs;
  const tiles = Array.from({ length: blockCount }, (_, index) => {
    const record = arena.subarray(directory[firstBlock + index]);
    const hasSinks = firstBlock + index === 0 && layout.sinkCount > 0;
    const sides = bandedTokens(inputs, record, hasSinks);
    return rawTileFrom(layout, sides[KEY].map(clip), sides[VALUE].map(clip));
  });
  const words = new Uint32Array(tiles.reduce((sum, tile) => sum + tile.length, 0));
  for (const [index, tile] of tiles.entries()) words.set(tile, index * tile.length);
  return words;
}

/**
 * A record's values by places, K and V: f32 `[64][channels]`. The last places of a sequence's first
 * block are its sinks. Every product is rounded to f32: code and step, then the token's factor.
 */
export function bandedTokens(
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

function clip(value: number): number {
  return Math.max(-F16_MAX, Math.min(F16_MAX, value));
}
