/**
 * The formats in which weights lie on the device, each a file of `weight_formats/`: how many
 * vectors and words it takes, what writes the tensor types it holds, and the text that expands it
 * in registers. `weight_layout.ts` says where they lie.
 *
 * @module
 */

import type { TensorType } from "../gguf/tensor_types.ts";
import { bf16 } from "./weight_formats/bf16.ts";
import { f16 } from "./weight_formats/f16.ts";
import { f32 } from "./weight_formats/f32.ts";
import { mxfp4 } from "./weight_formats/mxfp4.ts";
import { q4 } from "./weight_formats/q4.ts";
import { q4k } from "./weight_formats/q4k.ts";
import { q5 } from "./weight_formats/q5.ts";
import { q5k } from "./weight_formats/q5k.ts";
import { q6k } from "./weight_formats/q6k.ts";
import { q8 } from "./weight_formats/q8.ts";
import { iq4_nl } from "./weight_formats/iq4_nl.ts";
import { iq4_xs } from "./weight_formats/iq4_xs.ts";
import { q2k } from "./weight_formats/q2k.ts";
import { q3k } from "./weight_formats/q3k.ts";
import { q4_0 } from "./weight_formats/q4_0.ts";
import { q5_0 } from "./weight_formats/q5_0.ts";
import { q8_0 } from "./weight_formats/q8_0.ts";
import type { UnitWriter, WeightFormatSpec } from "./weight_formats/spec.ts";

/** All formats, the smallest first. */
export const WEIGHT_FORMATS = {
  q2k,
  q3k,
  iq4_xs,
  mxfp4,
  q4k,
  q4_0,
  iq4_nl,
  q4,
  q5k,
  q5_0,
  q5,
  q6k,
  q8_0,
  q8,
  f16,
  bf16,
  f32,
} as const satisfies Record<string, WeightFormatSpec>;

/** Name of a format. */
export type WeightFormat = keyof typeof WEIGHT_FORMATS;

const NAMES = Object.keys(WEIGHT_FORMATS) as WeightFormat[];

/** The format in which tensors of these types are kept: the smallest that holds all exactly. */
export function commonFormat(types: readonly TensorType[]): WeightFormat {
  return NAMES.find((format) => types.every((type) => writerOf(format, type) !== undefined))!;
}

/** What writes `type` as `format`, which holds its values exactly. */
export function unitWriter(type: TensorType, format: WeightFormat): UnitWriter {
  const writer = writerOf(format, type);
  if (writer === undefined) throw new RangeError(`Cannot pack ${type} as ${format}`);
  return writer;
}

function writerOf(format: WeightFormat, type: TensorType): UnitWriter | undefined {
  const { writers }: WeightFormatSpec = WEIGHT_FORMATS[format];
  return writers[type];
}
