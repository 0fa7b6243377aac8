/**
 * Writers of one block of 32 weights of a row, from each tensor type to each format that holds its
 * values exactly.
 *
 * @module
 */

import type { TensorType } from "../gguf/tensor_types.ts";
import type { WeightFormat } from "../kernels/weight_layout.ts";

/** Where a block goes. Vector v of the block is words `4 * (vector + 8 * v)` and the next three. */
export interface BlockTarget {
  words: Uint32Array;
  vector: number;
  scales: Uint32Array | null;
  scaleIndex: number;
}

/** Copies the 32 weights at byte `at` of `view`. */
export type BlockWriter = (view: DataView, at: number, target: BlockTarget) => void;

/** Writers by tensor type and format; where one is missing, values would change. */
export const WRITERS: Record<TensorType, Partial<Record<WeightFormat, BlockWriter>>> = {
  Q4_1: { q4: writeQ4_1, q8: writeQ4_1AsQ8, f32: asFloats(valueQ4_1) },
  Q4_0: { q4: writeQ4_0, q8: writeQ4_0AsQ8, f32: asFloats(valueQ4_0) },
  Q8_0: { q8: writeQ8_0, f32: asFloats(valueQ8_0) },
  F16: { f16: writeHalves, f32: asFloats((view, at, i) => view.getFloat16(at + 2 * i, true)) },
  BF16: { bf16: writeHalves, f32: asFloats(valueBf16) },
  F32: { f32: asFloats((view, at, i) => view.getFloat32(at + 4 * i, true)) },
};

const halfBits = new DataView(new ArrayBuffer(2));

/** f16 bits of `-8 * scale`: what a code of 0 stands for in Q4_0. Exact unless it overflows. */
function minimumQ4_0(view: DataView, at: number): number {
  const minimum = -8 * view.getFloat16(at, true);
  halfBits.setFloat16(0, minimum, true);
  if (halfBits.getFloat16(0, true) !== minimum) {
    throw new RangeError(`Cannot keep a Q4_0 block: its minimum ${minimum} exceeds f16`);
  }
  return halfBits.getUint16(0, true);
}

function writeQ4_1(view: DataView, at: number, target: BlockTarget): void {
  target.scales![target.scaleIndex] = view.getUint32(at, true);
  writeVectors(view, at + 4, target, 1);
}

function writeQ4_0(view: DataView, at: number, target: BlockTarget): void {
  target.scales![target.scaleIndex] = view.getUint16(at, true) | (minimumQ4_0(view, at) << 16);
  writeVectors(view, at + 2, target, 1);
}

function writeQ8_0(view: DataView, at: number, target: BlockTarget): void {
  target.scales![target.scaleIndex] = view.getUint16(at, true);
  writeVectors(view, at + 2, target, 2);
}

function writeHalves(view: DataView, at: number, target: BlockTarget): void {
  writeVectors(view, at, target, 4);
}

function writeQ4_1AsQ8(view: DataView, at: number, target: BlockTarget): void {
  target.scales![target.scaleIndex] = view.getUint32(at, true);
  spreadNibbles(view, at + 4, target);
}

function writeQ4_0AsQ8(view: DataView, at: number, target: BlockTarget): void {
  target.scales![target.scaleIndex] = view.getUint16(at, true) | (minimumQ4_0(view, at) << 16);
  spreadNibbles(view, at + 2, target);
}

function writeVectors(view: DataView, at: number, target: BlockTarget, vectorCount: number): void {
  const { words, vector } = target;
  for (let index = 0; index < vectorCount; index++) {
    const word = 4 * (vector + 8 * index);
    const byte = at + 16 * index;
    words[word] = view.getUint32(byte, true);
    words[word + 1] = view.getUint32(byte + 4, true);
    words[word + 2] = view.getUint32(byte + 8, true);
    words[word + 3] = view.getUint32(byte + 12, true);
  }
}

function spreadNibbles(view: DataView, at: number, target: BlockTarget): void {
  const { words, vector } = target;
  for (let index = 0; index < 4; index++) {
    const word = view.getUint32(at + 4 * index, true);
    words[4 * vector + index] = word & 0x0f0f0f0f;
    words[4 * (vector + 8) + index] = (word >>> 4) & 0x0f0f0f0f;
  }
}

const floatBits = new DataView(new ArrayBuffer(4));

function asFloats(valueAt: (view: DataView, at: number, index: number) => number): BlockWriter {
  return (view, at, { words, vector }) => {
    for (let index = 0; index < 32; index++) {
      floatBits.setFloat32(0, valueAt(view, at, index), true);
      words[4 * (vector + 8 * (index >> 2)) + (index & 3)] = floatBits.getUint32(0, true);
    }
  };
}

function nibble(view: DataView, at: number, index: number): number {
  return (view.getUint8(at + index % 16) >> (index < 16 ? 0 : 4)) & 15;
}

function valueQ4_1(view: DataView, at: number, index: number): number {
  return nibble(view, at + 4, index) * view.getFloat16(at, true) + view.getFloat16(at + 2, true);
}

function valueQ4_0(view: DataView, at: number, index: number): number {
  return (nibble(view, at + 2, index) - 8) * view.getFloat16(at, true);
}

function valueQ8_0(view: DataView, at: number, index: number): number {
  return view.getInt8(at + 2 + index) * view.getFloat16(at, true);
}

function valueBf16(view: DataView, at: number, index: number): number {
  floatBits.setUint32(0, view.getUint16(at + 2 * index, true) << 16, true);
  return floatBits.getFloat32(0, true);
}
