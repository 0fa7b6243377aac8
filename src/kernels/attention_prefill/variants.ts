/** How the lanes of prefill attention exchange values. */

import { type LanesVariant, SUBGROUP, WORKGROUP_OF_32, WORKGROUP_OF_8 } from "../text/lanes.ts";

/** The fastest first. */
export const ATTENTION_PREFILL_VARIANTS: readonly LanesVariant[] = [
  SUBGROUP,
  WORKGROUP_OF_8,
  WORKGROUP_OF_32,
];
