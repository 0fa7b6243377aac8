import codes from "../../../shaders/lib/weight_q8.wgsl" with { type: "text" };
import sideHalves from "../../../shaders/lib/weight_side_halves.wgsl" with { type: "text" };
import {
  HALVES_WORD_COUNT,
  joinTexts,
  putHalf,
  type WeightFormatSpec,
  writeVectors,
} from "./spec.ts";

/** Signed codes of 8 bits; scale for 32 columns. */
export const q8_0 = {
  unitColumnCount: 32,
  vectorsPerBlock: 2,
  sideWordCount: HALVES_WORD_COUNT,
  writers: {
    Q8_0: (view, at, target) => {
      putHalf(target, view.getUint16(at, true));
      writeVectors(view, at + 2, target, 2);
    },
  },
  text: joinTexts(sideHalves, codes),
} as const satisfies WeightFormatSpec;
