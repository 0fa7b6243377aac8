import { BLOCK, eachBlock, type TensorTypeSpec } from "./spec.ts";

const LAYOUT = { elementCount: BLOCK, sizeBytes: 34 } as const;
const { fround } = Math;

/** f16 scale, 32 i8 codes. */
export const Q8_0 = {
  ggmlId: 8,
  ...LAYOUT,
  expand: (view, values) =>
    eachBlock(values, LAYOUT, (at, first) => {
      const scale = view.getFloat16(at, true);
      for (let i = 0; i < BLOCK; i++) values[first + i] = scale * view.getInt8(at + 2 + i);
    }),
  shrink: (values, view) =>
    eachBlock(values, LAYOUT, (at, first) => {
      const block = values.subarray(first, first + BLOCK);
      const largest = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const scale = fround(largest / 127);
      const inverse = scale === 0 ? 0 : fround(1 / scale);
      view.setFloat16(at, scale, true);
      for (let i = 0; i < BLOCK; i++) {
        const scaled = fround(block[i] * inverse);
        // C's roundf: halves away from zero.
        view.setInt8(at + 2 + i, Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5));
      }
    }),
} as const satisfies TensorTypeSpec;
