/**
 * Settings of the codec: their checks, and their names for people. FORMAT.md section 5.
 *
 * @module
 */

import { type CodecProfile, PAPER_PROFILE, type RepackRule } from "../core/shapes.ts";

/** Smallest step relative to a token's range, as f32: its codes just fit 8 bits. */
export const REL_MIN: number = Math.fround(1 / 254);
/** Largest step relative to a token's range: the token has three levels. */
export const REL_MAX = 0.5;

/** Settings as a caller gives them; what is left out is the published one. */
export interface ProfileSettings {
  /** `exact` or `paper`. */
  name: string;
  /** Step of K relative to a token's range, [1/254, 0.5]. */
  keyRel?: number;
  /** Step of V relative to a token's range, [1/254, 0.5]. */
  valueRel?: number;
  /** Tokens per pack: 4, 8, 16 or 32. */
  packSize?: number;
  /** Order of tokens before packing: `none`, `median` or `greedy`. */
  repack?: string;
}

/**
 * Checks settings and fills in the published ones.
 *
 * @throws {RangeError} naming the setting, its value and what it may be. `exact` takes no settings.
 */
export function codecProfile(settings: ProfileSettings): CodecProfile {
  const { name, ...given } = settings;
  if (name === "exact") {
    const extra = Object.entries(given).find(([, value]) => value !== undefined);
    if (extra) throw new RangeError(`Cannot set ${extra[0]}: profile exact takes no settings`);
    return { name };
  }
  if (name !== "paper") {
    throw new RangeError(`Cannot use profile ${JSON.stringify(name)}: must be exact or paper`);
  }
  const {
    keyRel = PAPER_PROFILE.keyRel,
    valueRel = PAPER_PROFILE.valueRel,
    packSize = PAPER_PROFILE.packSize,
    repack = PAPER_PROFILE.repack,
  } = given;
  checkRel("keyRel", keyRel);
  checkRel("valueRel", valueRel);
  if (packSize !== 4 && packSize !== 8 && packSize !== 16 && packSize !== 32) {
    throw new RangeError(`Cannot use packSize ${packSize}: must be 4, 8, 16 or 32`);
  }
  if (!isRepackRule(repack)) {
    throw new RangeError(
      `Cannot use repack ${JSON.stringify(repack)}: must be none, median or greedy`,
    );
  }
  return { name, keyRel, valueRel, packSize, repack };
}

/** The profile in words, e.g. `paper (k-rel 0.1, v-rel 0.2, pack 16)`. */
export function describeProfile(profile: CodecProfile): string {
  if (profile.name === "exact") return "exact";
  const { keyRel, valueRel, packSize, repack } = profile;
  const words = [`k-rel ${keyRel}`, `v-rel ${valueRel}`, `pack ${packSize}`];
  if (repack !== "none") words.push(`repack ${repack}`);
  return `${profile.name} (${words.join(", ")})`;
}

function checkRel(setting: string, rel: number): void {
  if (!(Math.fround(rel) >= REL_MIN && rel <= REL_MAX)) {
    throw new RangeError(`Cannot use ${setting} ${rel}: must be 1/254 (0.00394) to 0.5`);
  }
}

function isRepackRule(rule: string): rule is RepackRule {
  return rule === "none" || rule === "median" || rule === "greedy";
}
