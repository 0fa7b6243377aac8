/**
 * Settings of the published codec. FORMAT.md section 6.6; arXiv:2512.24449.
 *
 * @module
 */

import { ProfileTable } from "../profile_table.ts";
import { REPACK_SETTING, type RepackRule } from "../repack.ts";
import { numberChoice, numberSetting } from "../settings.ts";

/** Steps relative to the range of each token. */
export interface PaperProfile {
  /** `paper`. */
  name: "paper";
  /** Step of K relative to the range of a token, [1/254, 0.5]. */
  keyRel: number;
  /** Step of V relative to the range of a token, [1/254, 0.5]. */
  valueRel: number;
  /** Tokens per pack: 4, 8, 16 or 32. */
  packSize: number;
  /** Order of tokens before packing. */
  repack: RepackRule;
}

/** Smallest step relative to a token's range, as f32: its codes just fit 8 bits. */
export const REL_MIN: number = Math.fround(1 / 254);
/** Largest step relative to a token's range: the token has three levels. */
export const REL_MAX = 0.5;

const REL = { placeholder: "REL", min: REL_MIN, max: REL_MAX, range: "1/254 (0.00394) to 0.5" };

/** The published setting: K 0.1, V 0.2, packs of 16, no repacking. arXiv:2512.24449. */
export const PAPER_PROFILE: PaperProfile = {
  name: "paper",
  keyRel: 0.1,
  valueRel: 0.2,
  packSize: 16,
  repack: "none",
};

/** Profile `paper`. */
export const PAPER_PROFILES: ProfileTable<PaperProfile> = new ProfileTable<PaperProfile>({
  keyRel: numberSetting({
    ...REL,
    flag: "k-rel",
    help: "step of keys relative to a token's range",
  }),
  valueRel: numberSetting({
    ...REL,
    flag: "v-rel",
    help: "step of values relative to a token's range",
  }),
  packSize: numberChoice({
    flag: "pack-size",
    placeholder: "N",
    word: "pack",
    help: "tokens per pack",
    values: [4, 8, 16, 32],
  }),
  repack: REPACK_SETTING,
}, [PAPER_PROFILE]);
