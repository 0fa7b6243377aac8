import codes from "../../../shaders/lib/weight_q5.wgsl" with { type: "text" };
import side from "../../../shaders/lib/weight_side_q5k.wgsl" with { type: "text" };
import { BYTES, centerText, formatText, type WeightFormatSpec } from "./spec.ts";
import {
  kScalesText,
  pairedNibbles,
  writeHighBits,
  writeNibbles,
  writeScales,
} from "./super_block.ts";

const SIDE_WORD_COUNT = (4 + 8) * 32;

/** Codes of 5 bits; scales and minima of 6 bits for 32 columns, two of f16 for 256. */
export const q5k = {
  unitColumnCount: 256,
  vectorsPerBlock: 1,
  sideWordCount: SIDE_WORD_COUNT,
  writers: {
    Q5_K: (view, at, target) => {
      writeScales(view, at, target);
      writeNibbles(target, (sub, index) => pairedNibbles(view, at + 48, sub, index));
      writeHighBits(view, at + 16, target, { index: 4 });
    },
  },
  text: formatText(side, kScalesText(SIDE_WORD_COUNT), centerText(0), BYTES, codes),
} as const satisfies WeightFormatSpec;
