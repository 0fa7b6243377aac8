import type { TensorTypeSpec } from "./spec.ts";

/** IEEE 754 binary32. */
export const F32 = {
  ggmlId: 0,
  elementCount: 1,
  sizeBytes: 4,
  expand: (view, values) => {
    for (let i = 0; i < values.length; i++) values[i] = view.getFloat32(4 * i, true);
  },
  shrink: (values, view) => {
    for (let i = 0; i < values.length; i++) view.setFloat32(4 * i, values[i], true);
  },
} as const satisfies TensorTypeSpec;
