import codes from "../../../shaders/lib/weight_bf16.wgsl" with { type: "text" };
import sideNone from "../../../shaders/lib/weight_side_none.wgsl" with { type: "text" };
import { formatText, UNSHARED, type WeightFormatSpec, writeVectors } from "./spec.ts";

/** bfloat16, two columns in a word. */
export const bf16 = {
  unitColumnCount: 32,
  vectorsPerBlock: 4,
  sideWordCount: 0,
  writers: { BF16: (view, at, target) => writeVectors(view, at, target, 4) },
  text: formatText(UNSHARED, sideNone, codes),
} as const satisfies WeightFormatSpec;
