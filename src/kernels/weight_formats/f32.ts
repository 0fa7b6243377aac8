import codes from "../../../shaders/lib/weight_f32.wgsl" with { type: "text" };
import sideNone from "../../../shaders/lib/weight_side_none.wgsl" with { type: "text" };
import { dequantise } from "../../gguf/dequantise.ts";
import { TENSOR_TYPES, type TensorType } from "../../gguf/tensor_types.ts";
import {
  BLOCK_COLUMN_COUNT,
  formatText,
  GROUP_ROW_COUNT,
  type UnitWriter,
  UNSHARED,
  VECTOR_STRIDE,
  type WeightFormatSpec,
} from "./spec.ts";

const vectorsPerBlock = 8;

/** Vectors from a row's block of 32 columns to the next block. */
const BLOCK_STRIDE = GROUP_ROW_COUNT * vectorsPerBlock;

/** Plain values of any type, for those that share no smaller format with others of their weight. */
export const f32 = {
  unitColumnCount: 32,
  vectorsPerBlock,
  sideWordCount: 0,
  writers: Object.fromEntries(
    (Object.keys(TENSOR_TYPES) as TensorType[]).map((type) => [type, floatWriter(type)]),
  ) as Record<TensorType, UnitWriter>,
  text: formatText(UNSHARED, sideNone, codes),
} as const satisfies WeightFormatSpec;

function floatWriter(type: TensorType): UnitWriter {
  const { elementCount, sizeBytes } = TENSOR_TYPES[type];
  const count = Math.max(BLOCK_COLUMN_COUNT, elementCount);
  const unitBytes = count / elementCount * sizeBytes;
  return (view, at, { words, vector }) => {
    const bytes = new Uint8Array(view.buffer, view.byteOffset + at, unitBytes);
    const bits = new Uint32Array(dequantise(type, bytes, count).buffer);
    for (let index = 0; index < count; index++) {
      const block = index >> 5;
      const quad = (index & 31) >> 2;
      const place = vector + block * BLOCK_STRIDE + VECTOR_STRIDE * quad;
      words[4 * place + (index & 3)] = bits[index];
    }
  };
}
