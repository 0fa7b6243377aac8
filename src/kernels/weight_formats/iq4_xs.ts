import side from "../../../shaders/lib/weight_side_iq4_xs.wgsl" with { type: "text" };
import codes from "../../../shaders/lib/weight_iq4.wgsl" with { type: "text" };
import {
  putSideWord,
  type UnitTarget,
  UNSHARED,
  valuesTexts,
  type WeightFormatSpec,
  writeVectors,
} from "./spec.ts";
import { eachSubBlock } from "./super_block.ts";

/** Codes of 4 bits for unevenly spaced values; scales of 6 bits for 32 columns, f16 for 256. */
export const iq4_xs = {
  unitColumnCount: 256,
  vectorsPerBlock: 1,
  sideWordCount: 2 * 32,
  writers: {
    IQ4_XS: (view, at, target) => {
      putSideWord(target, 0, view.getUint32(at, true));
      putSideWord(target, 1, view.getUint32(at + 4, true));
      eachSubBlock(target, (block: UnitTarget, sub) => {
        writeVectors(view, at + 8 + 16 * sub, block, 1);
      });
    },
  },
  ...valuesTexts(UNSHARED, side, codes),
} as const satisfies WeightFormatSpec;
