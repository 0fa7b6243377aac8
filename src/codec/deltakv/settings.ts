/**
 * Settings of DeltaKV without training. FORMAT.md section 11; arXiv:2602.08005.
 *
 * @module
 */

import { PAPER_PROFILE, PAPER_PROFILES, type PaperProfile } from "../paper/settings.ts";
import { ProfileTable } from "../profile_table.ts";
import { numberChoice, numberSetting } from "../settings.ts";

/** Steps and packs of profile `paper`, of what tokens differ by from centres of their block. */
export interface DeltaKvProfile extends Omit<PaperProfile, "name" | "repack"> {
  /** `deltakv`. */
  name: "deltakv";
  /** Every so many tokens of a block one is a centre, 4 to 16. */
  stride: number;
  /** Nearest centres whose mean a token is described by: 1, 2 or 4. */
  neighbourCount: number;
}

const { keyRel, valueRel, packSize } = PAPER_PROFILES.settings;

/** Profile `deltakv`: a centre every ten tokens and four of them for a token, as published. */
export const DELTAKV_PROFILES: ProfileTable<DeltaKvProfile> = new ProfileTable<DeltaKvProfile>({
  keyRel,
  valueRel,
  packSize,
  stride: numberSetting({
    flag: "stride",
    placeholder: "N",
    help: "every so many tokens of a block one is a centre",
    min: 4,
    max: 16,
    isInteger: true,
  }),
  neighbourCount: numberChoice({
    flag: "neighbours",
    placeholder: "N",
    help: "nearest centres whose mean describes a token",
    values: [1, 2, 4],
  }),
}, [{
  name: "deltakv",
  keyRel: PAPER_PROFILE.keyRel,
  valueRel: PAPER_PROFILE.valueRel,
  packSize: PAPER_PROFILE.packSize,
  stride: 10,
  neighbourCount: 4,
}]);
