import type { TensorTypeSpec } from "./spec.ts";

/** IEEE 754 binary16. */
export const F16 = {
  ggmlId: 1,
  elementCount: 1,
  sizeBytes: 2,
  expand: (view, values) => {
    for (let i = 0; i < values.length; i++) values[i] = view.getFloat16(2 * i, true);
  },
  shrink: (values, view) => {
    for (let i = 0; i < values.length; i++) view.setFloat16(2 * i, values[i], true);
  },
} as const satisfies TensorTypeSpec;
