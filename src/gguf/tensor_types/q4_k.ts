import { expandScaled, pairedNibble } from "./k_scales.ts";
import { SUPER_BLOCK, type TensorTypeSpec } from "./spec.ts";

const sizeBytes = 144;

/** f16 scales of scales and minima, 8 of each in 6 bits, 256 codes of 4 bits. */
export const Q4_K = {
  ggmlId: 12,
  elementCount: SUPER_BLOCK,
  sizeBytes,
  expand: (view, values) =>
    expandScaled(view, values, { sizeBytes, codeAt: (at, i) => pairedNibble(view, at + 16, i) }),
  shrink: null,
} as const satisfies TensorTypeSpec;
