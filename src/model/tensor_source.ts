/**
 * Tensors of a file, as a plan names them.
 *
 * @module
 */

import { divExact } from "../core/shapes.ts";
import { dequantise } from "../gguf/dequantise.ts";
import { type GgufFile, type GgufTensor, readTensorBytes } from "../gguf/read_gguf.ts";
import type { MatrixPlan } from "./plan.ts";
import type { RowSource } from "./stream_weights.ts";
import type { WeightSource } from "./weight_format.ts";

/**
 * Rows of a matrix as they lie in the file.
 *
 * @param expert Which of the matrices of a tensor `[columns, rows, experts]`.
 */
export function matrixSource(
  file: GgufFile,
  { tensor: name, rowStart, rowCount }: MatrixPlan,
  expert = 0,
): WeightSource {
  const tensor = tensorOf(file, name);
  const rowBytes = divExact(tensor.sizeBytes, elementCount(tensor.shape.slice(1)));
  const begin = (rowStart + expert * rowCount) * rowBytes;
  const bytes = readTensorBytes(file, tensor, { begin, end: begin + rowCount * rowBytes });
  return { type: tensor.type, bytes, rowCount };
}

/** The same rows, to be read some at a time. */
export function rowSource(file: GgufFile, plan: MatrixPlan): RowSource {
  return {
    type: tensorOf(file, plan.tensor).type,
    rowCount: plan.rowCount,
    read: (rowStart, rowCount) =>
      matrixSource(file, { ...plan, rowStart: plan.rowStart + rowStart, rowCount }).bytes,
  };
}

/** Values of a vector, or of the vectors of all experts one behind the other. */
export function tensorValues(file: GgufFile, name: string): Float32Array<ArrayBuffer> {
  const tensor = tensorOf(file, name);
  return dequantise(tensor.type, readTensorBytes(file, tensor), elementCount(tensor.shape));
}

/** A tensor that the plan has checked. */
export function tensorOf(file: GgufFile, name: string): GgufTensor {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) throw new TypeError(`Cannot load tensor ${name}: it was not checked`);
  return tensor;
}

function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
