import { expandScaled, pairedNibble } from "./k_scales.ts";
import { SUPER_BLOCK, type TensorTypeSpec } from "./spec.ts";

const sizeBytes = 176;

/** f16 scales of scales and minima, 8 of each in 6 bits, 256 high bits, 256 codes of 4 bits. */
export const Q5_K = {
  ggmlId: 13,
  elementCount: SUPER_BLOCK,
  sizeBytes,
  expand: (view, values) => {
    const codeAt = (at: number, i: number) => {
      const high = (view.getUint8(at + 16 + i % 32) >> (i >> 5)) & 1;
      return pairedNibble(view, at + 48, i) | (high << 4);
    };
    expandScaled(view, values, { sizeBytes, codeAt });
  },
  shrink: null,
} as const satisfies TensorTypeSpec;
