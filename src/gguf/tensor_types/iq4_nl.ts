import { BLOCK, eachBlock, nibble, type TensorTypeSpec } from "./spec.ts";

const LAYOUT = { elementCount: BLOCK, sizeBytes: 18 } as const;

/** Values of the 16 codes, unscaled; also of IQ4_XS. Source: ggml, `kvalues_iq4nl`. */
export const IQ4_VALUES = [
  ...[-127, -104, -83, -65, -49, -35, -22, -10],
  ...[1, 13, 25, 38, 53, 69, 89, 113],
] as const;

/** f16 scale, 32 codes of 4 bits for unevenly spaced values: first half in the low nibbles. */
export const IQ4_NL = {
  ggmlId: 20,
  ...LAYOUT,
  expand: (view, values) =>
    eachBlock(values, LAYOUT, (at, first) => {
      const scale = view.getFloat16(at, true);
      for (let i = 0; i < BLOCK; i++) {
        values[first + i] = scale * IQ4_VALUES[nibble(view, at + 2, i)];
      }
    }),
  shrink: null,
} as const satisfies TensorTypeSpec;
