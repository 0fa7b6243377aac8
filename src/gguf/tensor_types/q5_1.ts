import { codeQ5 } from "./q5_0.ts";
import { BLOCK, eachBlock, type TensorTypeSpec } from "./spec.ts";

const LAYOUT = { elementCount: BLOCK, sizeBytes: 24 } as const;

/** f16 scale, f16 minimum, 32 high bits, 32 codes of 4 bits. */
export const Q5_1 = {
  ggmlId: 7,
  ...LAYOUT,
  expand: (view, values) =>
    eachBlock(values, LAYOUT, (at, first) => {
      const scale = view.getFloat16(at, true);
      const minimum = view.getFloat16(at + 2, true);
      for (let i = 0; i < BLOCK; i++) {
        values[first + i] = scale * codeQ5(view, at + 4, i) + minimum;
      }
    }),
  shrink: null,
} as const satisfies TensorTypeSpec;
