import codes from "../../../shaders/lib/weight_q8.wgsl" with { type: "text" };
import sideHalves from "../../../shaders/lib/weight_side_halves.wgsl" with { type: "text" };
import {
  formatText,
  HALVES_WORD_COUNT,
  scaledCodesWriter,
  UNSHARED,
  type WeightFormatSpec,
} from "./spec.ts";

/** Signed codes of 8 bits; scale for 32 columns. */
export const q8_0 = {
  unitColumnCount: 32,
  vectorsPerBlock: 2,
  sideWordCount: HALVES_WORD_COUNT,
  writers: { Q8_0: scaledCodesWriter(2) },
  text: formatText(UNSHARED, sideHalves, codes),
  hasBytes: true,
} as const satisfies WeightFormatSpec;
