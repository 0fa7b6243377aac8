import codes from "../../../shaders/lib/weight_q5.wgsl" with { type: "text" };
import side from "../../../shaders/lib/weight_side_q5_0.wgsl" with { type: "text" };
import { writeFives } from "./fives.ts";
import {
  centerText,
  fieldsText,
  formatText,
  GROUP_ROW_COUNT,
  HALVES_WORD_COUNT,
  putHalf,
  type WeightFormatSpec,
} from "./spec.ts";

/** Codes of 5 bits around 16; scale for 32 columns. */
export const q5_0 = {
  unitColumnCount: 32,
  vectorsPerBlock: 1,
  sideWordCount: HALVES_WORD_COUNT + GROUP_ROW_COUNT,
  writers: {
    Q5_0: (view, at, target) => {
      putHalf(target, view.getUint16(at, true));
      const fifth = writeFives(view, at + 2, target);
      target.side[target.sideStart + HALVES_WORD_COUNT + target.row] = fifth;
    },
  },
  text: formatText(side, centerText(16), fieldsText(5), codes),
  areCodesInPlace: true,
  hasBytes: true,
} as const satisfies WeightFormatSpec;
