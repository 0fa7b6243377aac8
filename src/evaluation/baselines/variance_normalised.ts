import type { BaselineCodec, BaselineSide } from "./baseline.ts";
import { type Group, groupsOfChannels, readBackAsymmetric, roundF16 } from "./groups.ts";
import { largestPowerOfTwoIn, rotate } from "./rotation.ts";

/** Passes of dividing tokens and channels by their spread in turn. */
const PASS_COUNT = 4;
/** Tokens of a block share a scale for each channel. */
const BLOCK_TOKENS = 64;
const SCALE_BITS = 16;

/**
 * KVarN, arXiv:2606.03458, as we read its abstract: heads are turned by a Hadamard matrix, then the
 * tokens and the channels of a block are divided by their standard deviations in turn until both
 * are even, and what is left is rounded to the nearest of `2^bits` values between the least and
 * the greatest of a token's head. Stored beside the codes: an f16 scale and minimum for each token
 * of a head (its own scale is in them), an f16 scale for each channel of a block of 64 tokens.
 *
 * @param bits Bits of a code of K and of V.
 */
export function varianceNormalised(
  bits: { k: number; v: number },
  { headSize }: { headSize: number },
): BaselineCodec {
  const size = largestPowerOfTwoIn(headSize);
  const sideBits = 2 * SCALE_BITS / headSize + SCALE_BITS / BLOCK_TOKENS;
  const readBack = (own: number) => (side: BaselineSide) => {
    rotate(side, size);
    const scales = normalise(side);
    for (const group of groupsOfChannels(side, headSize)) {
      readBackAsymmetric(side.values, group, own);
    }
    for (const { group, scale } of scales.reverse()) divide(side.values, group, 1 / scale);
    rotate(side, size);
  };
  return {
    description: `KVarN: ${bits.k}-bit codes of K and ${bits.v}-bit ones of V after Hadamard ` +
      `(${size}) and even spreads of tokens and channels, scale and minimum for a token and head`,
    bits: { k: bits.k + sideBits, v: bits.v + sideBits },
    codeBits: bits,
    readBackKeys: readBack(bits.k),
    readBackValues: readBack(bits.v),
  };
}

/** Divides tokens and channels in turn; returns what each was divided by, in order. */
function normalise(side: BaselineSide): { group: Group; scale: number }[] {
  const { values, shape, firstToken } = side;
  const { kvHeadCount, headSize } = shape;
  const channelCount = kvHeadCount * headSize;
  const tokenCount = values.length / channelCount - firstToken;
  const channels = Array.from({ length: channelCount }, (_, channel): Group => {
    return { start: firstToken * channelCount + channel, stride: channelCount, count: tokenCount };
  });
  const tokens = groupsOfChannels(side, headSize);
  const done: { group: Group; scale: number }[] = [];
  for (let pass = 0; pass < PASS_COUNT; pass++) {
    for (const groups of [channels, tokens]) {
      for (const group of groups) {
        const scale = roundF16(deviation(values, group)) || 1;
        divide(values, group, scale);
        done.push({ group, scale });
      }
    }
  }
  return done;
}

function deviation(values: Float32Array, { start, stride, count }: Group): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += values[start + i * stride] ** 2;
  return Math.sqrt(sum / count);
}

function divide(values: Float32Array, { start, stride, count }: Group, scale: number): void {
  for (let i = 0; i < count; i++) values[start + i * stride] /= scale;
}
