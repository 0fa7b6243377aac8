/** How the lanes of a product share what they loaded. */

import type { Variant } from "../variant.ts";

/** A way of sharing; its text is `matmul/parts/share_<name>.wgsl`. */
export interface MatmulVariant extends Variant {
  readonly name: "subgroup" | "workgroup";
  /** Groups of 8 lanes in a workgroup. */
  readonly sliceCount: number;
}

/** The fastest first. */
export const MATMUL_VARIANTS: readonly MatmulVariant[] = [
  {
    name: "subgroup",
    supports: ({ subgroupLanes, isFallback }) => subgroupLanes === 8 && isFallback,
    tuned: ["software Vulkan"],
    sliceCount: 1,
  },
  {
    name: "workgroup",
    supports: () => true,
    tuned: [],
    sliceCount: 8,
  },
];
