/**
 * 16-bit floats as integers: IEEE 754 binary16, one sign, five exponent and ten fraction bits.
 *
 * @module
 */

const halves = new Float16Array(1);
const halfBits = new Uint16Array(halves.buffer);

/** Largest finite f16. */
export const F16_MAX = 65504;

/** Exponent bits of an f16; all set means infinity or NaN. */
const EXPONENT_MASK = 0x7c00;

/** The value of an f16 given by its bits. Exact for every input. */
export function f16ToNumber(bits: number): number {
  halfBits[0] = bits;
  return halves[0];
}

/** Bits of the f16 nearest to `value`, ties to even; infinity from 65520 on. */
export function f16FromNumber(value: number): number {
  halves[0] = value;
  return halfBits[0];
}

/** Whether the f16 is neither infinity nor NaN. */
export function isFiniteF16(bits: number): boolean {
  return (bits & EXPONENT_MASK) !== EXPONENT_MASK;
}

/** The value, or the end of the range of finite f16 that it is beyond. */
export function clipToF16(value: number): number {
  return Math.max(-F16_MAX, Math.min(F16_MAX, value));
}
