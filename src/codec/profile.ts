/**
 * Settings of the codec: their checks, and their names for people. FORMAT.md sections 5 and 11.6.
 *
 * @module
 */

import {
  type BandedProfile,
  type CodecProfile,
  type LayerFactors,
  PAPER_PROFILE,
  type PaperProfile,
  type RepackRule,
} from "../core/shapes.ts";
import { SINK_COUNT_MAX } from "./banded/layout.ts";
import { crc32 } from "node:zlib";

/** Smallest step relative to a token's range, as f32: its codes just fit 8 bits. */
export const REL_MIN: number = Math.fround(1 / 254);
/** Largest step relative to a token's range: the token has three levels. */
export const REL_MAX = 0.5;
/** Smallest step of banded profiles. */
export const STEP_MIN = 0.05;
/** Largest step of banded profiles. */
export const STEP_MAX = 16;
/** Largest factor of a layer, and the inverse of the smallest. */
export const LAYER_FACTOR_MAX = 16;

/** Settings as a caller gives them; what is left out is the profile's own. */
export interface ProfileSettings {
  /** One of {@link PROFILE_NAMES}. */
  name: string;
  /** `paper`: step of K relative to a token's range, [1/254, 0.5]. */
  keyRel?: number;
  /** `paper`: step of V relative to a token's range, [1/254, 0.5]. */
  valueRel?: number;
  /** `paper`: tokens per pack: 4, 8, 16 or 32. */
  packSize?: number;
  /** Order of tokens before packing: `none`, `median` or `greedy`. */
  repack?: string;
  /** Banded: step of K in units of a score, [0.05, 16]. */
  keyStep?: number;
  /** Banded: step of V relative to the mean magnitude of a token's values, [0.05, 16]. */
  valueStep?: number;
  /** Banded: first tokens that stay raw, 0 to 16. */
  sinkCount?: number;
  /** Banded: factors of the steps by layer, in the place of the calibration's. */
  layerFactors?: readonly LayerFactors[] | null;
}

const BANDED_DEFAULTS = { sinkCount: 4, repack: "none", layerFactors: null } as const;

/** The banded profiles as they are without settings. */
export const BANDED_PROFILES: readonly BandedProfile[] = [
  { name: "near-lossless", keyStep: 1.1, valueStep: 1.1, ...BANDED_DEFAULTS },
  { name: "balanced", keyStep: 2.2, valueStep: 2.2, ...BANDED_DEFAULTS },
  { name: "tight", keyStep: 3.2, valueStep: 3.4, ...BANDED_DEFAULTS },
];

/** Names of all profiles. */
export const PROFILE_NAMES: readonly CodecProfile["name"][] = [
  ...BANDED_PROFILES.map(({ name }) => name),
  "paper",
  "exact",
];

/** The profile in force where none is named. */
export const DEFAULT_PROFILE_NAME: CodecProfile["name"] = "balanced";

/** Which settings a kind of profile takes. */
export const PROFILE_SETTINGS = {
  exact: [],
  paper: ["keyRel", "valueRel", "packSize", "repack"],
  banded: ["keyStep", "valueStep", "sinkCount", "repack", "layerFactors"],
} as const satisfies Record<string, readonly (keyof ProfileSettings)[]>;

/** Whether it is one of {@link BANDED_PROFILES}. */
export function isBanded(profile: CodecProfile): profile is BandedProfile {
  return profile.name !== "exact" && profile.name !== "paper";
}

/** Which kind of profile a name is; null for no profile. */
export function profileKind(name: string): keyof typeof PROFILE_SETTINGS | null {
  if (name === "exact" || name === "paper") return name;
  return BANDED_PROFILES.some((each) => each.name === name) ? "banded" : null;
}

/**
 * Checks settings and fills in the profile's own.
 *
 * @throws {RangeError} naming the setting, its value and what it may be.
 */
export function codecProfile(settings: ProfileSettings): CodecProfile {
  const { name, ...given } = settings;
  const kind = profileKind(name);
  if (kind === null) {
    throw new RangeError(
      `Cannot use profile ${JSON.stringify(name)}: must be ${PROFILE_NAMES.join(", ")}`,
    );
  }
  const taken: readonly string[] = PROFILE_SETTINGS[kind];
  const extra = Object.entries(given).find(([key, value]) =>
    value !== undefined && !taken.includes(key)
  );
  if (extra) {
    const those = taken.length === 0 ? "no settings" : `only ${taken.join(", ")}`;
    throw new RangeError(`Cannot set ${extra[0]}: profile ${name} takes ${those}`);
  }
  if (kind === "exact") return { name: "exact" };
  return kind === "paper" ? paperProfile(settings) : bandedProfile(settings);
}

function paperProfile(settings: ProfileSettings): PaperProfile {
  const {
    keyRel = PAPER_PROFILE.keyRel,
    valueRel = PAPER_PROFILE.valueRel,
    packSize = PAPER_PROFILE.packSize,
  } = settings;
  checkRel("keyRel", keyRel);
  checkRel("valueRel", valueRel);
  if (packSize !== 4 && packSize !== 8 && packSize !== 16 && packSize !== 32) {
    throw new RangeError(`Cannot use packSize ${packSize}: must be 4, 8, 16 or 32`);
  }
  return { name: "paper", keyRel, valueRel, packSize, repack: repackRule(settings.repack) };
}

function bandedProfile(settings: ProfileSettings): BandedProfile {
  const base = BANDED_PROFILES.find(({ name }) => name === settings.name)!;
  const {
    keyStep = base.keyStep,
    valueStep = base.valueStep,
    sinkCount = base.sinkCount,
    layerFactors = base.layerFactors,
  } = settings;
  checkStep("keyStep", keyStep, { min: STEP_MIN, max: STEP_MAX });
  checkStep("valueStep", valueStep, { min: STEP_MIN, max: STEP_MAX });
  if (!(Number.isInteger(sinkCount) && sinkCount >= 0 && sinkCount <= SINK_COUNT_MAX)) {
    throw new RangeError(`Cannot use sinkCount ${sinkCount}: must be 0 to ${SINK_COUNT_MAX}`);
  }
  for (const [layer, factors] of layerFactors?.entries() ?? []) {
    const range = { min: 1 / LAYER_FACTOR_MAX, max: LAYER_FACTOR_MAX };
    checkStep(`layerFactors of K in layer ${layer}`, factors.key, range);
    checkStep(`layerFactors of V in layer ${layer}`, factors.value, range);
  }
  const repack = repackRule(settings.repack);
  return { name: base.name, keyStep, valueStep, sinkCount, repack, layerFactors };
}

/** The profile in words, e.g. `paper (k-rel 0.1, v-rel 0.2, pack 16)`. */
export function describeProfile(profile: CodecProfile): string {
  if (profile.name === "exact") return "exact";
  const words = isBanded(profile)
    ? [`k-step ${profile.keyStep}`, `v-step ${profile.valueStep}`, `sinks ${profile.sinkCount}`]
    : [`k-rel ${profile.keyRel}`, `v-rel ${profile.valueRel}`, `pack ${profile.packSize}`];
  if (profile.repack !== "none") words.push(`repack ${profile.repack}`);
  if (isBanded(profile) && profile.layerFactors !== null) {
    const digest = crc32(new TextEncoder().encode(JSON.stringify(profile.layerFactors)));
    words.push(`own factors by layer ${digest.toString(16).padStart(8, "0")}`);
  }
  return `${profile.name} (${words.join(", ")})`;
}

function checkRel(setting: string, rel: number): void {
  if (!(Math.fround(rel) >= REL_MIN && rel <= REL_MAX)) {
    throw new RangeError(`Cannot use ${setting} ${rel}: must be 1/254 (0.00394) to 0.5`);
  }
}

function checkStep(setting: string, step: number, range: { min: number; max: number }): void {
  if (!(step >= range.min && step <= range.max)) {
    throw new RangeError(`Cannot use ${setting} ${step}: must be ${range.min} to ${range.max}`);
  }
}

function repackRule(rule: string | undefined): RepackRule {
  if (rule === undefined) return "none";
  if (rule === "none" || rule === "median" || rule === "greedy") return rule;
  throw new RangeError(`Cannot use repack ${JSON.stringify(rule)}: must be none, median or greedy`);
}
