/** How the lanes that unpack a block exchange values, whatever it is coded in. */

import {
  type LanesVariant,
  LOCKSTEP,
  SUBGROUP,
  WORKGROUP_OF_32,
  WORKGROUP_OF_8,
} from "../text/lanes.ts";

/** The fastest first. */
export const BLOCK_UNPACK_VARIANTS: readonly LanesVariant[] = [
  LOCKSTEP,
  SUBGROUP,
  WORKGROUP_OF_8,
  WORKGROUP_OF_32,
];
