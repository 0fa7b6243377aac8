import side from "../../../shaders/lib/weight_side_mxfp4.wgsl" with { type: "text" };
import codes from "../../../shaders/lib/weight_mxfp4.wgsl" with { type: "text" };
import {
  GROUP_ROW_COUNT,
  UNSHARED,
  valuesTexts,
  type WeightFormatSpec,
  writeVectors,
} from "./spec.ts";

/** Floats of 4 bits; an exponent of 8 bits for 32 columns, four rows in a word. */
export const mxfp4 = {
  unitColumnCount: 32,
  vectorsPerBlock: 1,
  sideWordCount: GROUP_ROW_COUNT / 4,
  writers: {
    MXFP4: (view, at, target) => {
      const { side, sideStart, row } = target;
      side[sideStart + (row >> 2)] |= view.getUint8(at) << (8 * (row & 3));
      writeVectors(view, at + 1, target, 1);
    },
  },
  ...valuesTexts(UNSHARED, side, codes),
} as const satisfies WeightFormatSpec;
