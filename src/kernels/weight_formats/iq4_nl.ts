import sideHalves from "../../../shaders/lib/weight_side_halves.wgsl" with { type: "text" };
import codes from "../../../shaders/lib/weight_iq4.wgsl" with { type: "text" };
import {
  HALVES_WORD_COUNT,
  scaledCodesWriter,
  UNSHARED,
  valuesTexts,
  type WeightFormatSpec,
} from "./spec.ts";

/** Codes of 4 bits for unevenly spaced values; scale for 32 columns. */
export const iq4_nl = {
  unitColumnCount: 32,
  vectorsPerBlock: 1,
  sideWordCount: HALVES_WORD_COUNT,
  writers: { IQ4_NL: scaledCodesWriter(1) },
  ...valuesTexts(UNSHARED, sideHalves, codes),
} as const satisfies WeightFormatSpec;
