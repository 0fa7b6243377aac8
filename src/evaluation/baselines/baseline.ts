/**
 * Other codecs of the KV cache, to compare with: what they make of a block's values, and the bits
 * they take by construction. Plain and slow: they run on the CPU, in the place of sealing, while
 * the model runs with the exact cache.
 *
 * Values go back into a raw tile and are rounded to f16 there, which none of the originals does; it
 * moves a value by at most 2^-11 of itself, far less than any of them.
 *
 * @module
 */

import type { SliceSample } from "../../calibration/samples.ts";
import type { AnyCodec } from "../../codec/registry.ts";
import type { CodecProfile } from "../../codec/profile_types.ts";
import { type HeadShape, rawTileFrom, rawTileValues } from "../../codec/raw_tile.ts";
import { KEY, VALUE } from "../../codec/record.ts";
import type { RopeTable } from "../../model/rope_table.ts";
import type { TileRewriter } from "../../runtime/sequence_run.ts";

/** One side of a block of one layer, to be replaced by what a codec reads back. */
export interface BaselineSide {
  shape: HeadShape;
  /** f32 `[64][kvHeadCount * headSize]`, token by token. */
  values: Float32Array;
  /** Tokens before it stay raw: 0, or the number of sinks in the first block. */
  firstToken: number;
}

/** Where a block comes from, for codecs that depend on it. */
export interface BlockOrigin {
  layer: number;
  /** Both sides as they were, FORMAT.md section 5. */
  tile: Uint32Array;
}

/** A number for K and one for V. */
export interface PerSide {
  k: number;
  v: number;
}

/** What a codec learns of a model from a text that is read before its first block. */
export interface Learning {
  /** How often the text is read. */
  readonly passCount: number;
  /** Whether it was read so often. */
  readonly isDone: boolean;
  /** Takes rows of one layer; those of a layer come in order. */
  add(layer: number, sample: SliceSample): void;
  /** The text was read once more. */
  endPass(): void;
}

/** What a codec to compare with says of itself. */
interface BaselineFacts {
  /** What it does, for people. */
  description: string;
  /** Bits per element with scales and minima. */
  bits: PerSide;
  /** Bits of a code alone. */
  codeBits: PerSide;
  /** Bytes of what is kept beside the blocks of all sequences; none if left out. */
  readonly tableBytes?: number;
  /** Left out by codecs that need to know nothing of the model. */
  learning?: Learning;
  /** Called where a run begins, by codecs whose bits depend on what they have seen. */
  start?(): void;
}

/** A codec to compare with, of keys and values apart. */
export interface BaselineCodec extends BaselineFacts {
  /** Replaces the keys of a block; they are after RoPE. */
  readBackKeys(side: BaselineSide, origin?: BlockOrigin): void;
  /** Replaces the values of a block. */
  readBackValues(side: BaselineSide, origin?: BlockOrigin): void;
}

/** Both sides of a block of one layer, to be replaced by what a codec reads back. */
export interface BaselineBlock extends Omit<BaselineSide, "values"> {
  /** f32 `[64][kvHeadCount * headSize]`, token by token, after RoPE. */
  keys: Float32Array;
  /** The same of values. */
  values: Float32Array;
  layer: number;
  blockIndex: number;
  /** What keys of the layer are turned by. */
  rope: RopeTable;
}

/** A codec to compare with that looks at keys and values together. */
export interface BlockCodec extends BaselineFacts {
  /** First tokens that it leaves raw. */
  sinkTokenCount: number;
  /** Share of blocks so far that it kept in its second way. */
  fallbackShare: number;
  /** Replaces keys and values of a block; those of a layer come in order. */
  readBackBlock(block: BaselineBlock): void;
}

/** What is made of records of a profile of ours. */
export interface RecordsCodec extends BaselineFacts {
  /** Whose records. */
  profile: CodecProfile;
  /** First tokens that it leaves raw. */
  sinkTokenCount: number;
  /** Replaces keys and values of a block; layers of a block come in order. */
  readBackBlock(block: BaselineBlock, source: { codec: AnyCodec; tile: Uint32Array }): void;
}

/** A codec with a number of raw first tokens. */
export interface Baseline {
  name: string;
  codec: BaselineCodec | BlockCodec | RecordsCodec;
  /** First tokens of the sequence that stay raw; they are not counted in the codec's bits. */
  sinkTokenCount: number;
}

/**
 * What a run of the exact cache does to each block to read it as the baseline would.
 *
 * @param of `ropeOf`: what keys of a layer are turned by. `records`: the codec of the profile whose
 * records the baseline is made of; null if it is made of none.
 */
export function baselineRewriter(
  { codec, sinkTokenCount }: Baseline,
  shape: HeadShape,
  { ropeOf, records = null }: {
    ropeOf: (layer: number) => RopeTable;
    records?: AnyCodec | null;
  },
): TileRewriter {
  codec.start?.();
  return (tile, { blockIndex, layer }) => {
    const firstToken = blockIndex === 0 ? sinkTokenCount : 0;
    const origin = { layer, tile };
    const keys = rawTileValues(shape, tile, KEY);
    const values = rawTileValues(shape, tile, VALUE);
    if ("readBackBlock" in codec) {
      const block = { shape, keys, values, firstToken, layer, blockIndex, rope: ropeOf(layer) };
      if (!("profile" in codec)) codec.readBackBlock(block);
      else if (records !== null) codec.readBackBlock(block, { codec: records, tile });
      else throw new TypeError("Cannot read records: their codec is missing");
    } else {
      codec.readBackKeys({ shape, values: keys, firstToken }, origin);
      codec.readBackValues({ shape, values, firstToken }, origin);
    }
    tile.set(rawTileFrom(shape, keys, values));
  };
}
