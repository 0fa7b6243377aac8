import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { HeadShape } from "../../codec/raw_tile.ts";
import type { BaselineCodec, BaselineSide, BlockOrigin } from "./baseline.ts";
import { roundF16 } from "./groups.ts";
import { huffmanBits } from "./huffman.ts";

/** Codes are bytes. */
const CODE_COUNT = 256;
/** Steps relative to the range, as published. */
const KEY_REL = 0.05;
const VALUE_REL = 0.1;
/** A minimum as a byte, a scale as f16. */
const SCALE_BITS = 24;
/** A vector's place in its block, and what alignment to bytes leaves of its last one on average. */
const VECTOR_BITS = 16 + 3.5;
/** Offset and size of a block of a head. */
const BLOCK_BITS = 48;

/** Counts of one side: how often each code came, by layer. */
type Counts = Map<number, Uint32Array>;

/**
 * KVComp, arXiv:2509.00579: a minimum and a scale for a block of keys and for a token of values,
 * over all heads; their codes by Huffman, one code for each layer and side of the context. Keys are
 * coded token by token, values channel by channel, each vector aligned to bytes. Blocks of V have
 * 64 tokens here, 128 in the original. As there, the codes themselves are not counted.
 */
export function kvcomp({ kvHeadCount, headSize }: HeadShape): BaselineCodec {
  const keyCounts: Counts = new Map();
  const valueCounts: Counts = new Map();
  const channelCount = kvHeadCount * headSize;
  const blockBits = BLOCK_BITS / (BLOCK_TOKEN_COUNT * headSize);
  const keyBits = SCALE_BITS / (BLOCK_TOKEN_COUNT * channelCount) + VECTOR_BITS / headSize;
  const valueBits = SCALE_BITS / channelCount + VECTOR_BITS / BLOCK_TOKEN_COUNT;
  return {
    description:
      "KVComp: steps of 0.05 of a block's range of keys, 0.1 of a token's range of values, " +
      "codes by Huffman",
    get codeBits() {
      return { k: codeBits(keyCounts), v: codeBits(valueCounts) };
    },
    get bits() {
      const { k, v } = this.codeBits;
      return { k: k + keyBits + blockBits, v: v + valueBits + blockBits };
    },
    start() {
      keyCounts.clear();
      valueCounts.clear();
    },
    readBackKeys({ values, firstToken }: BaselineSide, origin?: BlockOrigin) {
      const own = values.subarray(firstToken * channelCount);
      readBack(own, KEY_REL, countsOf(keyCounts, origin));
    },
    readBackValues({ values, firstToken }: BaselineSide, origin?: BlockOrigin) {
      const counts = countsOf(valueCounts, origin);
      for (let at = firstToken * channelCount; at < values.length; at += channelCount) {
        readBack(values.subarray(at, at + channelCount), VALUE_REL, counts);
      }
    },
  };
}

function countsOf(counts: Counts, origin?: BlockOrigin): Uint32Array {
  const layer = origin?.layer ?? 0;
  const own = counts.get(layer) ?? new Uint32Array(CODE_COUNT);
  counts.set(layer, own);
  return own;
}

/** Bits of a mean code so far; 0 before the first. */
function codeBits(counts: Counts): number {
  let [bits, codeCount] = [0, 0];
  for (const own of counts.values()) {
    bits += huffmanBits(own);
    codeCount += own.reduce((sum, count) => sum + count, 0);
  }
  return codeCount === 0 ? 0 : bits / codeCount;
}

/** Replaces values by codes times a scale plus their minimum, and counts the codes. */
function readBack(values: Float32Array, rel: number, counts: Uint32Array): void {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const scale = roundF16((high - low) * rel);
  // The minimum is a whole number of scales, so that it fits a byte.
  const minimum = scale === 0 ? low : Math.round(low / scale) * scale;
  for (let i = 0; i < values.length; i++) {
    const code = scale === 0 ? 0 : Math.max(0, Math.round((values[i] - minimum) / scale));
    counts[Math.min(code, CODE_COUNT - 1)]++;
    values[i] = code * scale + minimum;
  }
}
