import codes from "../../../shaders/lib/weight_q5.wgsl" with { type: "text" };
import side from "../../../shaders/lib/weight_side_q5.wgsl" with { type: "text" };
import { scaleAround } from "./minimum_around.ts";
import {
  BYTES,
  centerText,
  formatText,
  putSideWord,
  spreadBits,
  type WeightFormatSpec,
  writeVectors,
} from "./spec.ts";

/** Codes of 5 bits; scale and minimum for 32 columns. */
export const q5 = {
  unitColumnCount: 32,
  vectorsPerBlock: 1,
  sideWordCount: 2 * 32,
  writers: {
    Q5_1: (view, at, target) => {
      putSideWord(target, 0, view.getUint32(at, true));
      putSideWord(target, 1, spreadBits(view.getUint32(at + 4, true)));
      writeVectors(view, at + 8, target, 1);
    },
    Q5_0: (view, at, target) => {
      putSideWord(target, 0, scaleAround(view, at, 16));
      putSideWord(target, 1, spreadBits(view.getUint32(at + 2, true)));
      writeVectors(view, at + 6, target, 1);
    },
  },
  text: formatText(side, centerText(0), BYTES, codes),
} as const satisfies WeightFormatSpec;
