import codes from "../../../shaders/lib/weight_q4.wgsl" with { type: "text" };
import sideWords from "../../../shaders/lib/weight_side_words.wgsl" with { type: "text" };
import { scaleAround } from "./minimum_around.ts";
import {
  centerText,
  formatText,
  putSideWord,
  UNSHARED,
  type WeightFormatSpec,
  writeVectors,
} from "./spec.ts";

/** Codes of 4 bits; scale and minimum for 32 columns. */
export const q4 = {
  unitColumnCount: 32,
  vectorsPerBlock: 1,
  sideWordCount: 32,
  writers: {
    Q4_1: (view, at, target) => {
      putSideWord(target, 0, view.getUint32(at, true));
      writeVectors(view, at + 4, target, 1);
    },
    Q4_0: (view, at, target) => {
      putSideWord(target, 0, scaleAround(view, at, 8));
      writeVectors(view, at + 2, target, 1);
    },
  },
  text: formatText(UNSHARED, sideWords, centerText(0), codes),
  hasBytes: true,
} as const satisfies WeightFormatSpec;
