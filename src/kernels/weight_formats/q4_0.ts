import codes from "../../../shaders/lib/weight_q4.wgsl" with { type: "text" };
import sideHalves from "../../../shaders/lib/weight_side_halves.wgsl" with { type: "text" };
import {
  centerText,
  formatText,
  HALVES_WORD_COUNT,
  scaledCodesWriter,
  UNSHARED,
  type WeightFormatSpec,
} from "./spec.ts";

/** Codes of 4 bits around 8; scale for 32 columns. */
export const q4_0 = {
  unitColumnCount: 32,
  vectorsPerBlock: 1,
  sideWordCount: HALVES_WORD_COUNT,
  writers: { Q4_0: scaledCodesWriter(1) },
  text: formatText(UNSHARED, sideHalves, centerText(8), codes),
  hasBytes: true,
} as const satisfies WeightFormatSpec;
