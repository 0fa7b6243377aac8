import codes from "../../../shaders/lib/weight_q4.wgsl" with { type: "text" };
import { centerText, formatText, UNSHARED, type WeightFormatSpec } from "./spec.ts";
import { kScalesText, pairedNibbles, writeNibbles, writeScales } from "./super_block.ts";

const SIDE_WORD_COUNT = 4 * 32;

/** Codes of 4 bits; scales and minima of 6 bits for 32 columns, two of f16 for 256. */
export const q4k = {
  unitColumnCount: 256,
  vectorsPerBlock: 1,
  sideWordCount: SIDE_WORD_COUNT,
  writers: {
    Q4_K: (view, at, target) => {
      writeScales(view, at, target);
      writeNibbles(target, (sub, index) => pairedNibbles(view, at + 16, sub, index));
    },
  },
  text: formatText(UNSHARED, kScalesText(SIDE_WORD_COUNT), centerText(0), codes),
  hasBytes: true,
  hasOutputScales: true,
} as const satisfies WeightFormatSpec;
