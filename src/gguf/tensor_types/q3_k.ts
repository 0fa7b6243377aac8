import { pairedBits } from "./q2_k.ts";
import { eachBlock, SUPER_BLOCK, type TensorTypeSpec } from "./spec.ts";

const LAYOUT = { elementCount: SUPER_BLOCK, sizeBytes: 110 } as const;

/** 256 high bits, 256 codes of 2 bits: 3 bits around 4; 16 scales of 6 bits, f16 scale of them. */
export const Q3_K = {
  ggmlId: 11,
  ...LAYOUT,
  expand: (view, values) =>
    eachBlock(values, LAYOUT, (at, first) => {
      const scaleOfScales = view.getFloat16(at + 108, true);
      for (let i = 0; i < SUPER_BLOCK; i++) {
        const high = (view.getUint8(at + i % 32) >> (i >> 5)) & 1;
        const code = pairedBits(view, at + 32, i) | high << 2;
        // Exact in f32: 11 + 6 + 3 bits.
        values[first + i] = scaleOfScales * (scaleQ3(view, at + 96, i >> 4) - 32) * (code - 4);
      }
    }),
  shrink: null,
} as const satisfies TensorTypeSpec;

/** Scale `sub` of 16, 6 bits: low 4 in the first 8 of 12 bytes, high 2 in the last 4. */
export function scaleQ3(view: DataView, at: number, sub: number): number {
  const low = (view.getUint8(at + sub % 8) >> (sub < 8 ? 0 : 4)) & 15;
  const high = (view.getUint8(at + 8 + sub % 4) >> (2 * (sub >> 2))) & 3;
  return low | high << 4;
}
