/**
 * Codecs in a rotated basis: values are multiplied by a Hadamard matrix before the codec and by its
 * inverse behind it, so that a few large channels spread over all.
 *
 * @module
 */

import type { BaselineCodec, BaselineSide } from "./baseline.ts";

/** llama.cpp rotates heads whose size is a multiple of this, V in runs of this many channels. */
const ROTATION_MIN = 64;

/**
 * A codec as llama.cpp runs it since April 2026 for caches of quantised types: K and V rotated by a
 * normalised Hadamard matrix (`llama-kv-cache.cpp`, `attn_rot_k` and `attn_rot_v`). K in runs of
 * the largest power of two that divides the head size, V in runs of 64 channels. Heads whose size
 * is no multiple of 64 are not rotated.
 */
export function rotatedAsLlama(
  codec: BaselineCodec,
  { headSize }: { headSize: number },
): BaselineCodec {
  if (headSize % ROTATION_MIN !== 0) {
    return { ...codec, description: `${codec.description}, not rotated: heads of ${headSize}` };
  }
  const keyRun = largestPowerOfTwoIn(headSize);
  return {
    ...codec,
    description: `${codec.description}, K and V rotated (Hadamard, ${keyRun} and ${ROTATION_MIN})`,
    readBackKeys(side, origin) {
      rotate(side, keyRun);
      codec.readBackKeys(side, origin);
      rotate(side, keyRun);
    },
    readBackValues(side, origin) {
      rotate(side, ROTATION_MIN);
      codec.readBackValues(side, origin);
      rotate(side, ROTATION_MIN);
    },
  };
}

/** The largest power of two that divides a whole number. */
export function largestPowerOfTwoIn(value: number): number {
  return value & -value;
}

/** Multiplies each run of `size` channels by the normalised Hadamard matrix: its own inverse. */
export function rotate({ values, shape, firstToken }: BaselineSide, size: number): void {
  const norm = 1 / Math.sqrt(size);
  const run = new Float64Array(size);
  const start = firstToken * shape.kvHeadCount * shape.headSize;
  for (let at = start; at < values.length; at += size) {
    run.set(values.subarray(at, at + size));
    butterfly(run);
    for (let i = 0; i < size; i++) values[at + i] = run[i] * norm;
  }
}

/** The Walsh-Hadamard transform in natural order, in place, without its norm. */
function butterfly(run: Float64Array): void {
  for (let half = 1; half < run.length; half *= 2) {
    for (let from = 0; from < run.length; from += 2 * half) {
      for (let i = from; i < from + half; i++) {
        const [a, b] = [run[i], run[i + half]];
        run[i] = a + b;
        run[i + half] = a - b;
      }
    }
  }
}
