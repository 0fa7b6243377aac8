/**
 * Settings of raw blocks: none.
 *
 * @module
 */

import { ProfileTable } from "../profile_table.ts";

/** Blocks keep f16. */
export interface RawProfile {
  /** `exact`. */
  name: "exact";
}

/** Profile `exact`. */
export const RAW_PROFILES: ProfileTable<RawProfile> = new ProfileTable<RawProfile>({}, [
  { name: "exact" },
]);
