/** How the lanes that score a block exchange values. */

import {
  type LanesVariant,
  LOCKSTEP,
  SUBGROUP,
  WORKGROUP_OF_32,
  WORKGROUP_OF_8,
} from "../text/lanes.ts";

/** The fastest first. */
export const BLOCK_SCORES_VARIANTS: readonly LanesVariant[] = [
  LOCKSTEP,
  SUBGROUP,
  WORKGROUP_OF_8,
  WORKGROUP_OF_32,
];
