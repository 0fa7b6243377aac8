import type { TensorTypeSpec } from "./spec.ts";

/** The upper half of binary32. */
export const BF16 = {
  ggmlId: 30,
  elementCount: 1,
  sizeBytes: 2,
  expand: (view, values) => {
    const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < words.length; i++) words[i] = view.getUint16(2 * i, true) << 16;
  },
  shrink: (values, view) => {
    const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < words.length; i++) {
      // To nearest, ties to even: 0x7fff, and one more if the kept part is odd.
      const rounded = words[i] + 0x7fff + ((words[i] >>> 16) & 1);
      view.setUint16(2 * i, (rounded >>> 16) & 0xffff, true);
    }
  },
} as const satisfies TensorTypeSpec;
