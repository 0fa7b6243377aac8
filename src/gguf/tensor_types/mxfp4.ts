import { BLOCK, eachBlock, nibble, type TensorTypeSpec } from "./spec.ts";

const LAYOUT = { elementCount: BLOCK, sizeBytes: 17 } as const;

/** Twice the values of the 16 codes: 4-bit floats (E2M1) of OCP Microscaling Formats 1.0. */
export const DOUBLED_VALUES = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/**
 * A scale that is a power of two: its exponent in 8 bits, biased by 127; 32 floats of 4 bits, first
 * half in the low nibbles. As ggml has it, exponent 255 is one more than 254 and no NaN.
 */
export const MXFP4 = {
  ggmlId: 39,
  ...LAYOUT,
  expand: (view, values) =>
    eachBlock(values, LAYOUT, (at, first) => {
      const halfScale = 2 ** (view.getUint8(at) - 128);
      for (let i = 0; i < BLOCK; i++) {
        values[first + i] = halfScale * DOUBLED_VALUES[nibble(view, at + 1, i)];
      }
    }),
  shrink: null,
} as const satisfies TensorTypeSpec;
