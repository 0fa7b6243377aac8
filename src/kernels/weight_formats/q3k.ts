import side from "../../../shaders/lib/weight_side_q3k.wgsl" with { type: "text" };
import codes from "../../../shaders/lib/weight_q3k.wgsl" with { type: "text" };
import { scaleQ3 } from "../../gguf/tensor_types/q3_k.ts";
import {
  BYTES,
  formatText,
  HALVES_WORD_COUNT,
  putHalf,
  putSideWord,
  type UnitTarget,
  type WeightFormatSpec,
} from "./spec.ts";
import { writeHighBits, writePairs } from "./super_block.ts";

/** Codes of 3 bits around 4; scales of 6 bits around 32 for 16 columns, one of f16 for 256. */
export const q3k = {
  unitColumnCount: 256,
  vectorsPerBlock: 0.5,
  sideWordCount: HALVES_WORD_COUNT + (3 + 8) * 32,
  writers: {
    Q3_K: (view, at, target) => {
      putHalf(target, view.getUint16(at + 108, true));
      const behind = { ...target, sideStart: target.sideStart + HALVES_WORD_COUNT };
      writeScales(view, at + 96, behind);
      writeHighBits(view, at, behind, { index: 3, turned: -1 });
      writePairs(view, at + 32, target);
    },
  },
  text: formatText(side, BYTES, codes),
  hasHalfScales: true,
} as const satisfies WeightFormatSpec;

/** Two words with the low 4 bits of 16 scales, one with their high 2. */
function writeScales(view: DataView, at: number, target: UnitTarget): void {
  const words = [0, 0, 0];
  for (let sub = 0; sub < 16; sub++) {
    const scale = scaleQ3(view, at, sub);
    words[sub >> 3] |= (scale & 15) << (4 * (sub & 7));
    words[2] |= (scale >> 4) << (2 * sub);
  }
  words.forEach((word, index) => putSideWord(target, index, word));
}
