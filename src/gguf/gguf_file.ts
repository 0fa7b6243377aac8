import type { GgufMetadata } from "./metadata.ts";
import type { TensorType } from "./tensor_types.ts";

/** Where a tensor lies in its file, and how it is laid out. */
export interface GgufTensor {
  readonly name: string;
  readonly type: TensorType;
  /**
   * Sizes in ggml's order: `shape[0]` is the number of columns, contiguous in memory. The last is
   * not 1, unless it is the only one.
   */
  readonly shape: readonly number[];
  /** Which part of a split model has it; the first if left out. */
  readonly part?: number;
  /** From the start of its file. */
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** A file of the disk. */
export interface GgufPart {
  readonly path: string;
  readonly sizeBytes: number;
}

/** The header of a model: of a GGUF file, or of all the files that it is split into. */
export interface GgufFile {
  /** Of the first part. */
  readonly path: string;
  /** One, unless it is split. */
  readonly parts: readonly GgufPart[];
  /** Of all parts. */
  readonly sizeBytes: number;
  readonly metadata: GgufMetadata;
  /** By name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}
