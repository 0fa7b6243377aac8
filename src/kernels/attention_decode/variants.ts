/** How the lanes of decode attention exchange values, whatever the blocks are coded in. */

import {
  type LanesVariant,
  LOCKSTEP,
  SUBGROUP,
  WORKGROUP_OF_32,
  WORKGROUP_OF_8,
} from "../text/lanes.ts";

/** The fastest first. */
export const ATTENTION_DECODE_VARIANTS: readonly LanesVariant[] = [
  LOCKSTEP,
  SUBGROUP,
  WORKGROUP_OF_8,
  WORKGROUP_OF_32,
];
