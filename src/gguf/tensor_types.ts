/**
 * The element types of tensors this project reads, by ggml's names. Each is a file of
 * `tensor_types/`.
 *
 * @module
 */

import { divExact } from "../core/shapes.ts";
import { BF16 } from "./tensor_types/bf16.ts";
import { F16 } from "./tensor_types/f16.ts";
import { F32 } from "./tensor_types/f32.ts";
import { MXFP4 } from "./tensor_types/mxfp4.ts";
import { Q4_0 } from "./tensor_types/q4_0.ts";
import { Q4_1 } from "./tensor_types/q4_1.ts";
import { Q4_K } from "./tensor_types/q4_k.ts";
import { Q5_0 } from "./tensor_types/q5_0.ts";
import { Q5_1 } from "./tensor_types/q5_1.ts";
import { Q5_K } from "./tensor_types/q5_k.ts";
import { Q6_K } from "./tensor_types/q6_k.ts";
import { Q8_0 } from "./tensor_types/q8_0.ts";
import { IQ4_NL } from "./tensor_types/iq4_nl.ts";
import { IQ4_XS } from "./tensor_types/iq4_xs.ts";
import { Q2_K } from "./tensor_types/q2_k.ts";
import { Q3_K } from "./tensor_types/q3_k.ts";
import type { TensorTypeSpec } from "./tensor_types/spec.ts";

/** All types by name. */
export const TENSOR_TYPES = {
  F32,
  F16,
  BF16,
  Q8_0,
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  Q2_K,
  Q3_K,
  Q4_K,
  Q5_K,
  Q6_K,
  IQ4_NL,
  IQ4_XS,
  MXFP4,
} as const satisfies Record<string, TensorTypeSpec>;

/** Name of a supported element type. */
export type TensorType = keyof typeof TENSOR_TYPES;

/** ggml's names of types this project does not read, for messages. */
const OTHER_TYPE_NAMES: Readonly<Record<number, string>> = {
  9: "Q8_1",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  21: "IQ3_S",
  22: "IQ2_S",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  28: "F64",
  29: "IQ1_M",
  34: "TQ1_0",
  35: "TQ2_0",
  40: "NVFP4",
  41: "Q1_0",
  42: "Q2_0",
};

/** ggml's name of the type that a file stores as `id`, or `number <id>`. */
export function ggmlTypeName(id: number): string {
  const known = Object.entries(TENSOR_TYPES).find(([, { ggmlId }]) => ggmlId === id);
  return known?.[0] ?? OTHER_TYPE_NAMES[id] ?? `number ${id}`;
}

/** Whether `name` is a type this project reads. */
export function isTensorType(name: string): name is TensorType {
  return Object.hasOwn(TENSOR_TYPES, name);
}

/**
 * Bytes of `elementCount` elements.
 *
 * @throws {RangeError} If `elementCount` is not a whole number of blocks.
 */
export function elementsSizeBytes(type: TensorType, elementCount: number): number {
  const { elementCount: ofBlock, sizeBytes } = TENSOR_TYPES[type];
  return divExact(elementCount, ofBlock) * sizeBytes;
}
