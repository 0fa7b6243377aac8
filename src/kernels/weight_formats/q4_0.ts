import codes from "../../../shaders/lib/weight_q4.wgsl" with { type: "text" };
import sideHalves from "../../../shaders/lib/weight_side_halves.wgsl" with { type: "text" };
import {
  centerText,
  HALVES_WORD_COUNT,
  joinTexts,
  putHalf,
  type WeightFormatSpec,
  writeVectors,
} from "./spec.ts";

/** Codes of 4 bits around 8; scale for 32 columns. */
export const q4_0 = {
  unitColumnCount: 32,
  vectorsPerBlock: 1,
  sideWordCount: HALVES_WORD_COUNT,
  writers: {
    Q4_0: (view, at, target) => {
      putHalf(target, view.getUint16(at, true));
      writeVectors(view, at + 2, target, 1);
    },
  },
  text: joinTexts(sideHalves, centerText(8), codes),
} as const satisfies WeightFormatSpec;
