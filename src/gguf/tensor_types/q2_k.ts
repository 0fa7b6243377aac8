import { eachBlock, SUPER_BLOCK, type TensorTypeSpec } from "./spec.ts";

const LAYOUT = { elementCount: SUPER_BLOCK, sizeBytes: 84 } as const;

/** 16 scales (low) and minima of 4 bits, 256 codes of 2 bits, f16 scales of scales and minima. */
export const Q2_K = {
  ggmlId: 10,
  ...LAYOUT,
  expand: (view, values) =>
    eachBlock(values, LAYOUT, (at, first) => {
      const scaleOfScales = view.getFloat16(at + 80, true);
      const scaleOfMinima = view.getFloat16(at + 82, true);
      for (let i = 0; i < SUPER_BLOCK; i++) {
        const both = view.getUint8(at + (i >> 4));
        const code = pairedBits(view, at + 16, i);
        // Products are exact in f32, so one rounding happens: at the difference.
        values[first + i] = scaleOfScales * (both & 15) * code - scaleOfMinima * (both >> 4);
      }
    }),
  shrink: null,
} as const satisfies TensorTypeSpec;

/** 2 bits of element `i` of 256: of each 128, a byte has those of 4 that are 32 apart. */
export function pairedBits(view: DataView, at: number, i: number): number {
  return (view.getUint8(at + (i >> 7) * 32 + i % 32) >> (2 * ((i >> 5) & 3))) & 3;
}
