import { BLOCK, eachBlock, nibble, type TensorTypeSpec, writeNibbles } from "./spec.ts";

const LAYOUT = { elementCount: BLOCK, sizeBytes: 18 } as const;
const { fround } = Math;

/** f16 scale, 32 codes of 4 bits around 8: first half in the low nibbles. */
export const Q4_0 = {
  ggmlId: 2,
  ...LAYOUT,
  expand: (view, values) =>
    eachBlock(values, LAYOUT, (at, first) => {
      const scale = view.getFloat16(at, true);
      for (let i = 0; i < BLOCK; i++) values[first + i] = scale * (nibble(view, at + 2, i) - 8);
    }),
  shrink: (values, view) =>
    eachBlock(values, LAYOUT, (at, first) => {
      const block = values.subarray(first, first + BLOCK);
      const extreme = block.reduce(
        (most, value) => Math.abs(value) > Math.abs(most) ? value : most,
        0,
      );
      const scale = fround(extreme / -8);
      const inverse = scale === 0 ? 0 : fround(1 / scale);
      view.setFloat16(at, scale, true);
      writeNibbles(view, at + 2, (i) => fround(fround(block[i] * inverse) + 8.5));
    }),
} as const satisfies TensorTypeSpec;
