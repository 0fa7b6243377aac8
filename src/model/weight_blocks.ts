/**
 * Writers of one unit of columns of a row, from each tensor type to each format that holds its
 * values exactly.
 *
 * @module
 */

import { dequantise } from "../gguf/dequantise.ts";
import { BLOCK_LAYOUTS, type TensorType } from "../gguf/tensor_types.ts";
import { WEIGHT_FORMATS, type WeightFormat } from "../kernels/weight_formats.ts";
import { GROUP_ROW_COUNT } from "../kernels/weight_layout.ts";
import { blockStride, type UnitTarget, type UnitWriter, VECTOR_STRIDE } from "./unit_target.ts";
import { writeQ4_K, writeQ5_K, writeQ6_K } from "./weight_blocks_k.ts";

/** Formats that hold a type's values exactly, with what writes them; the first is its own. */
export const WRITERS: Record<TensorType, Partial<Record<WeightFormat, UnitWriter>>> = {
  Q4_1: { q4: writeQ4_1, q8: writeQ4_1AsQ8 },
  Q4_0: { q4: writeQ4_0, q8: writeQ4_0AsQ8 },
  Q5_1: { q5: writeQ5_1 },
  Q5_0: { q5: writeQ5_0 },
  Q8_0: { q8: writeQ8_0 },
  Q4_K: { q4k: writeQ4_K },
  Q5_K: { q5k: writeQ5_K },
  Q6_K: { q6k: writeQ6_K },
  F16: { f16: writeHalves },
  BF16: { bf16: writeHalves },
  F32: {},
};

/** What writes `type` as `format`; f32 holds every type. */
export function unitWriter(type: TensorType, format: WeightFormat): UnitWriter {
  if (format === "f32") return floatWriter(type);
  const writer = WRITERS[type][format];
  if (writer === undefined) throw new RangeError(`Cannot pack ${type} as ${format}`);
  return writer;
}

/** Columns that are written at a time: whole blocks of the type, and of the format's side data. */
export function unitColumnCount(type: TensorType, format: WeightFormat): number {
  const { unitColumnCount: ofFormat } = WEIGHT_FORMATS[format];
  return Math.max(ofFormat, BLOCK_LAYOUTS[type].elementCount);
}

const halfBits = new DataView(new ArrayBuffer(2));

/** f16 bits of `-center * scale`: what a code of 0 stands for. Exact unless it overflows. */
function minimumAround(view: DataView, at: number, center: 8 | 16): number {
  const minimum = -center * view.getFloat16(at, true);
  halfBits.setFloat16(0, minimum, true);
  if (halfBits.getFloat16(0, true) !== minimum) {
    throw new RangeError(
      `Cannot keep a block of codes around ${center}: its minimum ${minimum} exceeds f16`,
    );
  }
  return halfBits.getUint16(0, true);
}

function scaleAround(view: DataView, at: number, center: 8 | 16): number {
  return view.getUint16(at, true) | (minimumAround(view, at, center) << 16);
}

function writeQ4_1(view: DataView, at: number, target: UnitTarget): void {
  target.side[target.sideStart + target.row] = view.getUint32(at, true);
  writeVectors(view, at + 4, target, 1);
}

function writeQ4_0(view: DataView, at: number, target: UnitTarget): void {
  target.side[target.sideStart + target.row] = scaleAround(view, at, 8);
  writeVectors(view, at + 2, target, 1);
}

function writeQ5_1(view: DataView, at: number, target: UnitTarget): void {
  const { side, sideStart, row } = target;
  side[sideStart + row] = view.getUint32(at, true);
  side[sideStart + GROUP_ROW_COUNT + row] = view.getUint32(at + 4, true);
  writeVectors(view, at + 8, target, 1);
}

function writeQ5_0(view: DataView, at: number, target: UnitTarget): void {
  const { side, sideStart, row } = target;
  side[sideStart + row] = scaleAround(view, at, 16);
  side[sideStart + GROUP_ROW_COUNT + row] = view.getUint32(at + 2, true);
  writeVectors(view, at + 6, target, 1);
}

function writeQ8_0(view: DataView, at: number, target: UnitTarget): void {
  target.side[target.sideStart + target.row] = view.getUint16(at, true);
  writeVectors(view, at + 2, target, 2);
}

function writeHalves(view: DataView, at: number, target: UnitTarget): void {
  writeVectors(view, at, target, 4);
}

function writeQ4_1AsQ8(view: DataView, at: number, target: UnitTarget): void {
  target.side[target.sideStart + target.row] = view.getUint32(at, true);
  spreadNibbles(view, at + 4, target);
}

function writeQ4_0AsQ8(view: DataView, at: number, target: UnitTarget): void {
  target.side[target.sideStart + target.row] = scaleAround(view, at, 8);
  spreadNibbles(view, at + 2, target);
}

function writeVectors(view: DataView, at: number, target: UnitTarget, vectorCount: number): void {
  const { words, vector } = target;
  for (let index = 0; index < vectorCount; index++) {
    const word = 4 * (vector + VECTOR_STRIDE * index);
    const byte = at + 16 * index;
    words[word] = view.getUint32(byte, true);
    words[word + 1] = view.getUint32(byte + 4, true);
    words[word + 2] = view.getUint32(byte + 8, true);
    words[word + 3] = view.getUint32(byte + 12, true);
  }
}

function spreadNibbles(view: DataView, at: number, target: UnitTarget): void {
  const { words, vector } = target;
  for (let index = 0; index < 4; index++) {
    const word = view.getUint32(at + 4 * index, true);
    words[4 * vector + index] = word & 0x0f0f0f0f;
    words[4 * (vector + VECTOR_STRIDE) + index] = (word >>> 4) & 0x0f0f0f0f;
  }
}

/** Writes plain values, for types that share no smaller format with others of their weight. */
function floatWriter(type: TensorType): UnitWriter {
  const { elementCount, sizeBytes } = BLOCK_LAYOUTS[type];
  const count = unitColumnCount(type, "f32");
  const unitBytes = count / elementCount * sizeBytes;
  return (view, at, { words, vector }) => {
    const bytes = new Uint8Array(view.buffer, view.byteOffset + at, unitBytes);
    const bits = new Uint32Array(dequantise(type, bytes, count).buffer);
    for (let index = 0; index < count; index++) {
      const block = index >> 5;
      const quad = (index & 31) >> 2;
      const at = vector + block * blockStride("f32") + VECTOR_STRIDE * quad;
      words[4 * at + (index & 3)] = bits[index];
    }
  };
}
