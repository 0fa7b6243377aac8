/**
 * Expands tensor bytes to f32 on the CPU. The reference of what shaders expand in registers.
 *
 * @module
 */

import { elementsSizeBytes, TENSOR_TYPES, type TensorType } from "./tensor_types.ts";

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
  TENSOR_TYPES[type].expand(view, values);
  return values;
}
