import codes from "../../../shaders/lib/weight_q5.wgsl" with { type: "text" };
import kScales from "../../../shaders/lib/weight_k_scales.wgsl" with { type: "text" };
import side from "../../../shaders/lib/weight_side_q5k.wgsl" with { type: "text" };
import { joinTexts, putSideWord, type UnitTarget, type WeightFormatSpec } from "./spec.ts";
import {
  gatherBits,
  pairedNibbles,
  SUB_BLOCK_COUNT,
  writeNibbles,
  writeScales,
} from "./super_block.ts";

/** Codes of 5 bits; scales and minima of 6 bits for 32 columns, two of f16 for 256. */
export const q5k = {
  unitColumnCount: 256,
  vectorsPerBlock: 1,
  sideWordCount: (4 + 8) * 32,
  writers: {
    Q5_K: (view, at, target) => {
      writeScales(view, at, target);
      writeNibbles(target, (sub, index) => pairedNibbles(view, at + 48, sub, index));
      writeHighBits(view, at + 16, target);
    },
  },
  text: joinTexts(side, kScales, codes),
} as const satisfies WeightFormatSpec;

/** The file has bit `sub` of byte `i` for column `i` of block `sub`; here a word has a block. */
function writeHighBits(view: DataView, at: number, target: UnitTarget): void {
  const high = Array.from({ length: 8 }, (_, i) => view.getUint32(at + 4 * i, true));
  for (let sub = 0; sub < SUB_BLOCK_COUNT; sub++) {
    let word = 0;
    for (let i = 0; i < 8; i++) word |= gatherBits(high[i] >>> sub) << (4 * i);
    putSideWord(target, 4 + sub, word);
  }
}
