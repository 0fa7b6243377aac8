import codes from "../../../shaders/lib/weight_q8.wgsl" with { type: "text" };
import sideWords from "../../../shaders/lib/weight_side_words.wgsl" with { type: "text" };
import { scaleAround } from "./minimum_around.ts";
import {
  formatText,
  putSideWord,
  type UnitTarget,
  UNSHARED,
  VECTOR_STRIDE,
  type WeightFormatSpec,
  writeVectors,
} from "./spec.ts";

/** Signed codes of 8 bits; scale and minimum for 32 columns. */
export const q8 = {
  unitColumnCount: 32,
  vectorsPerBlock: 2,
  sideWordCount: 32,
  writers: {
    Q8_0: (view, at, target) => {
      putSideWord(target, 0, view.getUint16(at, true));
      writeVectors(view, at + 2, target, 2);
    },
    Q4_1: (view, at, target) => {
      putSideWord(target, 0, view.getUint32(at, true));
      spreadNibbles(view, at + 4, target);
    },
    Q4_0: (view, at, target) => {
      putSideWord(target, 0, scaleAround(view, at, 8));
      spreadNibbles(view, at + 2, target);
    },
  },
  text: formatText(UNSHARED, sideWords, codes),
  hasBytes: true,
} as const satisfies WeightFormatSpec;

function spreadNibbles(view: DataView, at: number, { words, vector }: UnitTarget): void {
  for (let index = 0; index < 4; index++) {
    const word = view.getUint32(at + 4 * index, true);
    words[4 * vector + index] = word & 0x0f0f0f0f;
    words[4 * (vector + VECTOR_STRIDE) + index] = (word >>> 4) & 0x0f0f0f0f;
  }
}
