import codes from "../../../shaders/lib/weight_q5.wgsl" with { type: "text" };
import side from "../../../shaders/lib/weight_side_q5_0.wgsl" with { type: "text" };
import {
  BYTES,
  centerText,
  formatText,
  GROUP_ROW_COUNT,
  HALVES_WORD_COUNT,
  putHalf,
  spreadBits,
  type WeightFormatSpec,
  writeVectors,
} from "./spec.ts";

/** Codes of 5 bits around 16; scale for 32 columns. */
export const q5_0 = {
  unitColumnCount: 32,
  vectorsPerBlock: 1,
  sideWordCount: HALVES_WORD_COUNT + GROUP_ROW_COUNT,
  writers: {
    Q5_0: (view, at, target) => {
      putHalf(target, view.getUint16(at, true));
      target.side[target.sideStart + HALVES_WORD_COUNT + target.row] = spreadBits(
        view.getUint32(at + 2, true),
      );
      writeVectors(view, at + 6, target, 1);
    },
  },
  text: formatText(side, centerText(16), BYTES, codes),
} as const satisfies WeightFormatSpec;
