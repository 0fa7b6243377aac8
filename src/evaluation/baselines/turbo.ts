import { normalBelow } from "../../calibration/normal.ts";
import type { BaselineCodec, BaselineSide } from "./baseline.ts";
import { groupsOfChannels, roundF16 } from "./groups.ts";
import { largestPowerOfTwoIn, rotate } from "./rotation.ts";

const NORM_BITS = 16;
/** Rounds of Lloyd's iteration: centroids of 16 then move by less than 1e-6. */
const LLOYD_ROUNDS = 1000;
/** A normal variable is not farther from 0. */
const FAR = 8;
/** Of the signs, so that all runs use the same. */
const SIGN_SEED = 0x9e3779b9;

/**
 * TurboQuant, arXiv:2504.19874, in its form for squared error, as we read it: a head's vector is
 * divided by its length, kept as f16, turned by random signs and a Hadamard matrix, after which its
 * coordinates are nearly normal, and each is rounded to the nearest of `2^bits` centroids of Lloyd
 * and Max for a normal variable. The paper's form for inner products spends one of the bits on the
 * sign of a projected residual; servers leave it out.
 *
 * @param bits Bits of a coordinate.
 */
export function turbo(bits: number, { headSize }: { headSize: number }): BaselineCodec {
  const centroids = lloydMax(2 ** bits);
  const size = largestPowerOfTwoIn(headSize);
  const signs = randomSigns(size);
  const readBack = (side: BaselineSide) => {
    const norms = groupsOfChannels(side, headSize).map((group) => {
      const norm = Math.hypot(...side.values.subarray(group.start, group.start + headSize));
      return { ...group, norm: roundF16(norm) };
    });
    flip(side, signs);
    rotate(side, size);
    for (const { start, norm } of norms) {
      const scale = norm / Math.sqrt(headSize);
      for (let i = start; i < start + headSize; i++) {
        const value = scale === 0 ? 0 : side.values[i] / scale;
        side.values[i] = nearest(centroids, value) * scale;
      }
    }
    rotate(side, size);
    flip(side, signs);
  };
  const bitsInAll = bits + NORM_BITS / headSize;
  return {
    description:
      `TurboQuant: ${bits}-bit codes of Lloyd and Max after signs and Hadamard (${size}),` +
      " an f16 norm for a token and head",
    bits: { k: bitsInAll, v: bitsInAll },
    codeBits: { k: bits, v: bits },
    readBackKeys: readBack,
    readBackValues: readBack,
  };
}

/** Centroids of least squared error for a standard normal variable, ascending. */
export function lloydMax(count: number): Float64Array {
  let centroids = Float64Array.from({ length: count }, (_, i) => 4 * (i + 0.5) / count - 2);
  for (let round = 0; round < LLOYD_ROUNDS; round++) {
    const edge = (i: number) => (centroids[i - 1] + centroids[i]) / 2;
    centroids = Float64Array.from({ length: count }, (_, i) => {
      const [low, high] = [i === 0 ? -FAR : edge(i), i === count - 1 ? FAR : edge(i + 1)];
      return (density(low) - density(high)) / (normalBelow(high) - normalBelow(low));
    });
  }
  return centroids;
}

function density(x: number): number {
  return Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
}

function nearest(centroids: Float64Array, value: number): number {
  let best = 0;
  for (let i = 1; i < centroids.length; i++) {
    if (Math.abs(value - centroids[i]) < Math.abs(value - centroids[best])) best = i;
  }
  return centroids[best];
}

/** -1 or 1 by a xorshift generator. */
function randomSigns(size: number): Int8Array {
  let state = SIGN_SEED;
  return Int8Array.from({ length: size }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state & 1) === 0 ? 1 : -1;
  });
}

function flip({ values, shape, firstToken }: BaselineSide, signs: Int8Array): void {
  const start = firstToken * shape.kvHeadCount * shape.headSize;
  for (let i = start; i < values.length; i++) values[i] *= signs[(i - start) % signs.length];
}
