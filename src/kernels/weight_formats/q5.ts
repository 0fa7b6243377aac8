import codes from "../../../shaders/lib/weight_q5.wgsl" with { type: "text" };
import side from "../../../shaders/lib/weight_side_q5.wgsl" with { type: "text" };
import { writeFives } from "./fives.ts";
import { scaleAround } from "./minimum_around.ts";
import { centerText, fieldsText, formatText, putSideWord, type WeightFormatSpec } from "./spec.ts";

/** Codes of 5 bits; scale and minimum for 32 columns. */
export const q5 = {
  unitColumnCount: 32,
  vectorsPerBlock: 1,
  sideWordCount: 2 * 32,
  writers: {
    Q5_1: (view, at, target) => {
      putSideWord(target, 0, view.getUint32(at, true));
      putSideWord(target, 1, writeFives(view, at + 4, target));
    },
    Q5_0: (view, at, target) => {
      putSideWord(target, 0, scaleAround(view, at, 16));
      putSideWord(target, 1, writeFives(view, at + 2, target));
    },
  },
  text: formatText(side, centerText(0), fieldsText(5), codes),
  areCodesInPlace: true,
  hasBytes: true,
} as const satisfies WeightFormatSpec;
