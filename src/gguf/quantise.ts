/**
 * Shrinks f32 values to tensor bytes, by ggml's rules. Used to make small models.
 *
 * @module
 */

import { BLOCK_LAYOUTS, elementsSizeBytes, type TensorType } from "./tensor_types.ts";

const BLOCK = BLOCK_LAYOUTS.Q4_0.elementCount;
const HALF_BLOCK = BLOCK / 2;
const { fround } = Math;

/**
 * Quantises `values` with the rounding of ggml's plain-C code, in f32.
 *
 * @param values Finite; a whole number of blocks of `type`.
 * @returns Blocks of `type`, little-endian.
 * @throws {RangeError} If `values` is not a whole number of blocks.
 */
export function quantise(type: QuantisedType, values: Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(elementsSizeBytes(type, values.length));
  SHRINK_BY_TYPE[type](values, new DataView(bytes.buffer));
  return bytes;
}

const SHRINK_BY_TYPE = {
  F32: shrinkF32,
  F16: shrinkF16,
  BF16: shrinkBf16,
  Q8_0: shrinkQ8_0,
  Q4_0: shrinkQ4_0,
  Q4_1: shrinkQ4_1,
} as const satisfies Partial<Record<TensorType, (values: Float32Array, view: DataView) => void>>;

/** A type that {@link quantise} makes. */
export type QuantisedType = keyof typeof SHRINK_BY_TYPE;

function shrinkF32(values: Float32Array, view: DataView): void {
  for (let i = 0; i < values.length; i++) view.setFloat32(4 * i, values[i], true);
}

function shrinkF16(values: Float32Array, view: DataView): void {
  for (let i = 0; i < values.length; i++) view.setFloat16(2 * i, values[i], true);
}

function shrinkBf16(values: Float32Array, view: DataView): void {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < words.length; i++) {
    // To nearest, ties to even: 0x7fff, and one more if the kept part is odd.
    const rounded = words[i] + 0x7fff + ((words[i] >>> 16) & 1);
    view.setUint16(2 * i, (rounded >>> 16) & 0xffff, true);
  }
}

function shrinkQ8_0(values: Float32Array, view: DataView): void {
  let at = 0;
  for (let first = 0; first < values.length; first += BLOCK, at += 34) {
    const block = values.subarray(first, first + BLOCK);
    const largest = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const scale = fround(largest / 127);
    const inverse = scale === 0 ? 0 : fround(1 / scale);
    view.setFloat16(at, scale, true);
    for (let i = 0; i < BLOCK; i++) {
      const scaled = fround(block[i] * inverse);
      // C's roundf: halves away from zero.
      view.setInt8(at + 2 + i, Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5));
    }
  }
}

function shrinkQ4_0(values: Float32Array, view: DataView): void {
  let at = 0;
  for (let first = 0; first < values.length; first += BLOCK, at += 18) {
    const block = values.subarray(first, first + BLOCK);
    const extreme = block.reduce(
      (most, value) => Math.abs(value) > Math.abs(most) ? value : most,
      0,
    );
    const scale = fround(extreme / -8);
    const inverse = scale === 0 ? 0 : fround(1 / scale);
    view.setFloat16(at, scale, true);
    writeNibbles(view, at + 2, (i) => fround(fround(block[i] * inverse) + 8.5));
  }
}

function shrinkQ4_1(values: Float32Array, view: DataView): void {
  let at = 0;
  for (let first = 0; first < values.length; first += BLOCK, at += 20) {
    const block = values.subarray(first, first + BLOCK);
    const minimum = Math.min(...block);
    const scale = fround(fround(Math.max(...block) - minimum) / 15);
    const inverse = scale === 0 ? 0 : fround(1 / scale);
    view.setFloat16(at, scale, true);
    view.setFloat16(at + 2, minimum, true);
    const code = (i: number) => fround(fround(fround(block[i] - minimum) * inverse) + 0.5);
    writeNibbles(view, at + 4, code);
  }
}

/** Writes 32 codes: `code` cut to an integer and at most 15, first half in the low nibbles. */
function writeNibbles(view: DataView, at: number, code: (index: number) => number): void {
  for (let i = 0; i < HALF_BLOCK; i++) {
    const low = Math.min(15, Math.trunc(code(i)));
    const high = Math.min(15, Math.trunc(code(HALF_BLOCK + i)));
    view.setUint8(at + i, low | (high << 4));
  }
}
