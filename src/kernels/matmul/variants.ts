/** How the lanes of a product share what they loaded. */

import type { Variant } from "../variant.ts";
import { MATMUL_SHARE_TEXT } from "./parts.ts";

/** A way of sharing. */
export interface MatmulVariant extends Variant {
  readonly name: "subgroup" | "workgroup";
  /** Defines the exchange of `rows.wgsl`. */
  readonly text: string;
  /** Groups of 8 lanes in a workgroup. */
  readonly sliceCount: number;
}

/** The fastest first. */
export const MATMUL_VARIANTS: readonly MatmulVariant[] = [
  {
    name: "subgroup",
    supports: ({ hasSubgroups, subgroupSizeMin, subgroupSizeMax }) =>
      hasSubgroups && subgroupSizeMin === 8 && subgroupSizeMax === 8,
    tuned: ["software Vulkan"],
    text: MATMUL_SHARE_TEXT.subgroup,
    sliceCount: 1,
  },
  {
    name: "workgroup",
    supports: () => true,
    tuned: [],
    text: MATMUL_SHARE_TEXT.workgroup,
    sliceCount: 8,
  },
];
