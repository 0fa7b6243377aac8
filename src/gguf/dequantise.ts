/**
 * Expands tensor bytes to f32 on the CPU, by ggml's block layouts. The reference of what shaders
 * expand in registers.
 *
 * @module
 */

import { expandQ4_K, expandQ5_K, expandQ6_K } from "./dequantise_k.ts";
import { BLOCK_LAYOUTS, elementsSizeBytes, type TensorType } from "./tensor_types.ts";

const BLOCK = BLOCK_LAYOUTS.Q4_0.elementCount;
const HALF_BLOCK = BLOCK / 2;

/**
 * Expands `elementCount` elements.
 *
 * @param bytes Whole blocks of `type`, little-endian, at any alignment.
 * @returns f32 `[elementCount]`.
 * @throws {RangeError} If `bytes` does not hold exactly `elementCount` elements.
 */
export function dequantise(
  type: TensorType,
  bytes: Uint8Array,
  elementCount: number,
): Float32Array<ArrayBuffer> {
  const wantedBytes = elementsSizeBytes(type, elementCount);
  if (bytes.length !== wantedBytes) {
    throw new RangeError(
      `Cannot dequantise ${elementCount} ${type} values: ${bytes.length} bytes, not ${wantedBytes}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Float32Array(elementCount);
  EXPAND_BY_TYPE[type](view, values);
  return values;
}

const EXPAND_BY_TYPE = {
  F32: expandF32,
  F16: expandF16,
  BF16: expandBf16,
  Q8_0: expandQ8_0,
  Q4_0: expandQ4_0,
  Q4_1: expandQ4_1,
  Q5_0: expandQ5_0,
  Q5_1: expandQ5_1,
  Q4_K: expandQ4_K,
  Q5_K: expandQ5_K,
  Q6_K: expandQ6_K,
} as const satisfies Record<TensorType, (view: DataView, values: Float32Array) => void>;

function expandF32(view: DataView, values: Float32Array): void {
  for (let i = 0; i < values.length; i++) values[i] = view.getFloat32(4 * i, true);
}

function expandF16(view: DataView, values: Float32Array): void {
  for (let i = 0; i < values.length; i++) values[i] = view.getFloat16(2 * i, true);
}

function expandBf16(view: DataView, values: Float32Array): void {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < words.length; i++) words[i] = view.getUint16(2 * i, true) << 16;
}

function expandQ8_0(view: DataView, values: Float32Array): void {
  let at = 0;
  for (let first = 0; first < values.length; first += BLOCK, at += 34) {
    const scale = view.getFloat16(at, true);
    for (let i = 0; i < BLOCK; i++) values[first + i] = scale * view.getInt8(at + 2 + i);
  }
}

function expandQ4_0(view: DataView, values: Float32Array): void {
  let at = 0;
  for (let first = 0; first < values.length; first += BLOCK, at += 18) {
    const scale = view.getFloat16(at, true);
    for (let i = 0; i < HALF_BLOCK; i++) {
      const codes = view.getUint8(at + 2 + i);
      values[first + i] = scale * ((codes & 15) - 8);
      values[first + HALF_BLOCK + i] = scale * ((codes >> 4) - 8);
    }
  }
}

function expandQ4_1(view: DataView, values: Float32Array): void {
  let at = 0;
  for (let first = 0; first < values.length; first += BLOCK, at += 20) {
    const scale = view.getFloat16(at, true);
    const minimum = view.getFloat16(at + 2, true);
    for (let i = 0; i < HALF_BLOCK; i++) {
      const codes = view.getUint8(at + 4 + i);
      // The product is exact in f64 and f32 (11 + 4 bits), so one rounding happens: at the sum.
      values[first + i] = scale * (codes & 15) + minimum;
      values[first + HALF_BLOCK + i] = scale * (codes >> 4) + minimum;
    }
  }
}

function expandQ5_0(view: DataView, values: Float32Array): void {
  let at = 0;
  for (let first = 0; first < values.length; first += BLOCK, at += 22) {
    const scale = view.getFloat16(at, true);
    for (let i = 0; i < BLOCK; i++) values[first + i] = scale * (codeQ5(view, at + 2, i) - 16);
  }
}

function expandQ5_1(view: DataView, values: Float32Array): void {
  let at = 0;
  for (let first = 0; first < values.length; first += BLOCK, at += 24) {
    const scale = view.getFloat16(at, true);
    const minimum = view.getFloat16(at + 2, true);
    for (let i = 0; i < BLOCK; i++) {
      values[first + i] = scale * codeQ5(view, at + 4, i) + minimum;
    }
  }
}

/** Code `i` of 32: a word of high bits at `at`, then low bits. */
function codeQ5(view: DataView, at: number, i: number): number {
  const low = view.getUint8(at + 4 + i % HALF_BLOCK) >> (i < HALF_BLOCK ? 0 : 4);
  const high = view.getUint32(at, true) >>> i;
  return (low & 15) | ((high & 1) << 4);
}
