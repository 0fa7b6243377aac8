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
} as const satisfies Record<string, BlockLayout>;

/** Name of a supported element type. */
export type TensorType = keyof typeof BLOCK_LAYOUTS;

/** The number a GGUF file stores for each type. */
export const GGML_TYPE_IDS = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q8_0: 8,
  BF16: 30,
} as const satisfies Record<TensorType, number>;

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
