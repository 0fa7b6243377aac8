import { BLOCK, eachBlock, nibble, type TensorTypeSpec } from "./spec.ts";

const LAYOUT = { elementCount: BLOCK, sizeBytes: 22 } as const;

/** f16 scale, 32 high bits, 32 codes of 4 bits: 5 bits around 16. */
export const Q5_0 = {
  ggmlId: 6,
  ...LAYOUT,
  expand: (view, values) =>
    eachBlock(values, LAYOUT, (at, first) => {
      const scale = view.getFloat16(at, true);
      for (let i = 0; i < BLOCK; i++) values[first + i] = scale * (codeQ5(view, at + 2, i) - 16);
    }),
  shrink: null,
} as const satisfies TensorTypeSpec;

/** Code `i` of 32: a word of high bits at `at`, then low bits. */
export function codeQ5(view: DataView, at: number, i: number): number {
  const high = view.getUint32(at, true) >>> i;
  return nibble(view, at + 4, i) | ((high & 1) << 4);
}
