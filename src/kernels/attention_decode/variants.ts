/** How the lanes of decode attention exchange values, whatever the blocks are coded in. */

import {
  type LanesVariant,
  LOCKSTEP,
  SUBGROUP,
  TEAMS_BY_SUBGROUP,
  TEAMS_BY_WORKGROUP,
  TWO_TEAMS_BY_SUBGROUP,
  WORKGROUP_OF_32,
  WORKGROUP_OF_8,
} from "../text/lanes.ts";

/**
 * Of splits whose sealed blocks are shared among teams, the fastest first. Behind the two kinds of
 * teams none runs on a GPU but where it was measured to be faster.
 */
export const ATTENTION_DECODE_TEAM_VARIANTS: readonly LanesVariant[] = [
  TEAMS_BY_SUBGROUP,
  TEAMS_BY_WORKGROUP,
  TWO_TEAMS_BY_SUBGROUP,
  LOCKSTEP,
  SUBGROUP,
  WORKGROUP_OF_8,
];

/** Of tiles of the window, of which each is a split. */
export const ATTENTION_DECODE_VARIANTS: readonly LanesVariant[] = [
  LOCKSTEP,
  SUBGROUP,
  WORKGROUP_OF_8,
  WORKGROUP_OF_32,
];
