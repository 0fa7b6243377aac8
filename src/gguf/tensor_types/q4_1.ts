import { BLOCK, eachBlock, nibble, type TensorTypeSpec, writeNibbles } from "./spec.ts";

const LAYOUT = { elementCount: BLOCK, sizeBytes: 20 } as const;
const { fround } = Math;

/** f16 scale, f16 minimum, 32 codes of 4 bits: first half in the low nibbles. */
export const Q4_1 = {
  ggmlId: 3,
  ...LAYOUT,
  expand: (view, values) =>
    eachBlock(values, LAYOUT, (at, first) => {
      const scale = view.getFloat16(at, true);
      const minimum = view.getFloat16(at + 2, true);
      for (let i = 0; i < BLOCK; i++) {
        // The product is exact in f64 and f32 (11 + 4 bits), so one rounding happens: at the sum.
        values[first + i] = scale * nibble(view, at + 4, i) + minimum;
      }
    }),
  shrink: (values, view) =>
    eachBlock(values, LAYOUT, (at, first) => {
      const block = values.subarray(first, first + BLOCK);
      const minimum = Math.min(...block);
      const scale = fround(fround(Math.max(...block) - minimum) / 15);
      const inverse = scale === 0 ? 0 : fround(1 / scale);
      view.setFloat16(at, scale, true);
      view.setFloat16(at + 2, minimum, true);
      const code = (i: number) => fround(fround(fround(block[i] - minimum) * inverse) + 0.5);
      writeNibbles(view, at + 4, code);
    }),
} as const satisfies TensorTypeSpec;
