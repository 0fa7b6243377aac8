/**
 * The element types of tensors this project reads, by ggml's names and block layouts.
 *
 * @module
 */

import { divExact } from "../core/shapes.ts";

/** How many elements one block of a type holds, and in how many bytes. */
interface BlockLayout {
  readonly elementCount: number;
  readonly sizeBytes: number;
}

/** Block layouts by type name. */
export const BLOCK_LAYOUTS = {
  F32: { elementCount: 1, sizeBytes: 4 },
  F16: { elementCount: 1, sizeBytes: 2 },
  BF16: { elementCount: 1, sizeBytes: 2 },
  /** f16 scale, 32 i8 codes. */
  Q8_0: { elementCount: 32, sizeBytes: 34 },
  /** f16 scale, 32 codes of 4 bits around 8: first half in the low nibbles. */
  Q4_0: { elementCount: 32, sizeBytes: 18 },
  /** f16 scale, f16 minimum, 32 codes of 4 bits: first half in the low nibbles. */
  Q4_1: { elementCount: 32, sizeBytes: 20 },
  /** f16 scale, 32 high bits, 32 codes of 4 bits: 5 bits around 16. */
  Q5_0: { elementCount: 32, sizeBytes: 22 },
  /** f16 scale, f16 minimum, 32 high bits, 32 codes of 4 bits. */
  Q5_1: { elementCount: 32, sizeBytes: 24 },
  /** f16 scales of scales and minima, 8 of each in 6 bits, 256 codes of 4 bits. */
  Q4_K: { elementCount: 256, sizeBytes: 144 },
  /** f16 scales of scales and minima, 8 of each in 6 bits, 256 high bits, 256 codes of 4 bits. */
  Q5_K: { elementCount: 256, sizeBytes: 176 },
  /** 256 codes of 4 bits, 256 of 2 high bits: 6 bits around 32; 16 i8 scales, f16 scale of them. */
  Q6_K: { elementCount: 256, sizeBytes: 210 },
} as const satisfies Record<string, BlockLayout>;

/** Name of a supported element type. */
export type TensorType = keyof typeof BLOCK_LAYOUTS;

/** The number a GGUF file stores for each type. */
export const GGML_TYPE_IDS = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  BF16: 30,
} as const satisfies Record<TensorType, number>;

/** ggml's names of types this project does not read, for messages. */
const OTHER_TYPE_NAMES: Readonly<Record<number, string>> = {
  6: "Q5_0",
  7: "Q5_1",
  9: "Q8_1",
  10: "Q2_K",
  11: "Q3_K",
  12: "Q4_K",
  13: "Q5_K",
  14: "Q6_K",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  20: "IQ4_NL",
  21: "IQ3_S",
  22: "IQ2_S",
  23: "IQ4_XS",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  28: "F64",
  29: "IQ1_M",
  34: "TQ1_0",
  35: "TQ2_0",
  39: "MXFP4",
  40: "NVFP4",
  41: "Q1_0",
  42: "Q2_0",
};

/** ggml's name of the type that a file stores as `id`, or `number <id>`. */
export function ggmlTypeName(id: number): string {
  const known = Object.entries(GGML_TYPE_IDS).find(([, each]) => each === id);
  return known?.[0] ?? OTHER_TYPE_NAMES[id] ?? `number ${id}`;
}

/** Whether `name` is a type this project reads. */
export function isTensorType(name: string): name is TensorType {
  return Object.hasOwn(BLOCK_LAYOUTS, name);
}

/**
 * Bytes of `elementCount` elements.
 *
 * @throws {RangeError} If `elementCount` is not a whole number of blocks.
 */
export function elementsSizeBytes(type: TensorType, elementCount: number): number {
  const layout = BLOCK_LAYOUTS[type];
  return divExact(elementCount, layout.elementCount) * layout.sizeBytes;
}
