import side from "../../../shaders/lib/weight_side_q2k.wgsl" with { type: "text" };
import codes from "../../../shaders/lib/weight_q2k.wgsl" with { type: "text" };
import { BYTES, formatText, putSideWord, type WeightFormatSpec } from "./spec.ts";
import { writePairs } from "./super_block.ts";

/** Codes of 2 bits; scales and minima of 4 bits for 16 columns, two of f16 for 256. */
export const q2k = {
  unitColumnCount: 256,
  vectorsPerBlock: 0.5,
  sideWordCount: 5 * 32,
  writers: {
    Q2_K: (view, at, target) => {
      putSideWord(target, 0, view.getUint32(at + 80, true));
      for (let word = 0; word < 4; word++) {
        putSideWord(target, 1 + word, view.getUint32(at + 4 * word, true));
      }
      writePairs(view, at + 16, target);
    },
  },
  text: formatText(side, BYTES, codes),
} as const satisfies WeightFormatSpec;
