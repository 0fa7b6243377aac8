import codes from "../../../shaders/lib/weight_q5.wgsl" with { type: "text" };
import kScales from "../../../shaders/lib/weight_k_scales.wgsl" with { type: "text" };
import side from "../../../shaders/lib/weight_side_q5k.wgsl" with { type: "text" };
import { BYTES, centerText, formatText, type WeightFormatSpec } from "./spec.ts";
import { pairedNibbles, writeHighBits, writeNibbles, writeScales } from "./super_block.ts";

/** Codes of 5 bits; scales and minima of 6 bits for 32 columns, two of f16 for 256. */
export const q5k = {
  unitColumnCount: 256,
  vectorsPerBlock: 1,
  sideWordCount: (4 + 8) * 32,
  writers: {
    Q5_K: (view, at, target) => {
      writeScales(view, at, target);
      writeNibbles(target, (sub, index) => pairedNibbles(view, at + 48, sub, index));
      writeHighBits(view, at + 16, target, { index: 4 });
    },
  },
  text: formatText(side, kScales, centerText(0), BYTES, codes),
} as const satisfies WeightFormatSpec;
