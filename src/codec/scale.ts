/**
 * Scales of tokens that every device makes alike: f16 numbers, and reciprocals without a division
 * that may be rounded differently. FORMAT.md sections 6.1 and 6.2.
 *
 * @module
 */

/** Smallest scale: the smallest normal f16. */
export const SCALE_MIN = 2 ** -14;

const floats = new Float32Array(1);
const floatBits = new Uint32Array(floats.buffer);

/** The scale of a token, in the forms that quantisers need. */
export interface TokenScale {
  /** Bits of the scale as f16. */
  scaleBits: number;
  /** f32 just below or at 1 / scale, of 24 significant bits. */
  reciprocal: number;
}

/** The scale of a step, an f32 from {@link SCALE_MIN} to the largest f16. */
export function scaleOf(step: number): TokenScale {
  floats[0] = step;
  // Round to 11 significant bits, ties to even; the result is a normal f16.
  const rounded = ((floatBits[0] + 0xfff + ((floatBits[0] >>> 13) & 1)) & ~0x1fff) >>> 0;
  const exponent = rounded >>> 23;
  const significand = ((rounded >>> 13) & 0x3ff) | 0x400;
  // 2^34 / significand, truncated, as a device without 64-bit integers divides.
  const quotient = Math.floor(2 ** 31 / significand);
  const rest = 2 ** 31 - quotient * significand;
  const digits = quotient * 8 + Math.floor((rest * 8) / significand);
  return {
    scaleBits: (rounded >>> 13) - (112 << 10),
    reciprocal: digits * 2 ** (103 - exponent),
  };
}
