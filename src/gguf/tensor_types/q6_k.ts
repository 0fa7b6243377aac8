import { eachBlock, SUPER_BLOCK, type TensorTypeSpec } from "./spec.ts";

const LAYOUT = { elementCount: SUPER_BLOCK, sizeBytes: 210 } as const;

/** 256 codes of 4 bits, 256 of 2 high bits: 6 bits around 32; 16 i8 scales, f16 scale of them. */
export const Q6_K = {
  ggmlId: 14,
  ...LAYOUT,
  expand: (view, values) =>
    eachBlock(values, LAYOUT, (at, first) => {
      const scaleOfScales = view.getFloat16(at + 208, true);
      for (let i = 0; i < SUPER_BLOCK; i++) {
        const half = i >> 7;
        const quarter = (i >> 5) & 3;
        const lowByte = view.getUint8(at + half * 64 + (quarter & 1) * 32 + i % 32);
        const low = (lowByte >> (quarter < 2 ? 0 : 4)) & 15;
        const high = (view.getUint8(at + 128 + half * 32 + i % 32) >> (2 * quarter)) & 3;
        const scale = view.getInt8(at + 192 + (i >> 4));
        // Exact in f32: 11 + 7 + 6 bits.
        values[first + i] = scaleOfScales * scale * ((low | (high << 4)) - 32);
      }
    }),
  shrink: null,
} as const satisfies TensorTypeSpec;
