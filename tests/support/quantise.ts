/**
 * Shrinks f32 values to tensor bytes, by ggml's rules. Used to make small models.
 *
 * @module
 */

import { elementsSizeBytes, TENSOR_TYPES, type TensorType } from "../../src/gguf/tensor_types.ts";

/** A type that {@link quantise} makes. */
export type QuantisedType = {
  [Type in TensorType]: typeof TENSOR_TYPES[Type]["shrink"] extends null ? never : Type;
}[TensorType];

/**
 * Quantises `values` with the rounding of ggml's plain-C code, in f32.
 *
 * @param values Finite; a whole number of blocks of `type`.
 * @returns Blocks of `type`, little-endian.
 * @throws {RangeError} If `values` is not a whole number of blocks.
 */
export function quantise(type: QuantisedType, values: Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(elementsSizeBytes(type, values.length));
  TENSOR_TYPES[type].shrink(values, new DataView(bytes.buffer));
  return bytes;
}
