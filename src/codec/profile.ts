/**
 * Profiles of all codecs: their checks, and their names for people.
 *
 * @module
 */

import type { BandedProfile } from "./banded/settings.ts";
import type { BandedTables } from "./banded/tables.ts";
import type { PortableForm } from "./codec.ts";
import type { LayerTurns } from "./cold/turn.ts";
import { type GivenProfile, settingList } from "./profile_table.ts";
import type { HeadShape } from "./raw_tile.ts";
import { type AnyCodec, CODECS } from "./registry.ts";
import type { CodecProfile, ProfileOptions } from "./profile_types.ts";
import type { Setting } from "./settings.ts";

/** Names of all profiles. */
export const PROFILE_NAMES: readonly CodecProfile["name"][] = CODECS.flatMap(({ profiles }) =>
  profiles.profiles.map(({ name }) => name)
);

/** The profile in force where none is named. */
export const DEFAULT_PROFILE_NAME = "balanced" satisfies CodecProfile["name"];

function kindOf(name: string): (typeof CODECS)[number] {
  const kind = CODECS.find(({ profiles }) => profiles.has(name));
  if (kind !== undefined) return kind;
  throw new RangeError(
    `Cannot use profile ${JSON.stringify(name)}: must be ${PROFILE_NAMES.join(", ")}`,
  );
}

/**
 * Checks settings and fills in the profile's own.
 *
 * @throws {RangeError} naming the setting, its value and what it may be.
 */
export function codecProfile(given: GivenProfile): CodecProfile {
  return kindOf(given.name).profiles.profile(given);
}

/**
 * Settings that are right, as they are given.
 *
 * @throws {RangeError} naming the setting, its value and what it may be.
 */
export function profileOptions(given: GivenProfile): ProfileOptions {
  if (isChecked(given)) return given;
  throw new RangeError(`Cannot use profile ${given.name}`);
}

function isChecked(given: GivenProfile): given is ProfileOptions {
  codecProfile(given);
  return true;
}

/** The profile in words, e.g. `paper (k-rel 0.1, v-rel 0.2, pack 16)`. */
export function describeProfile(profile: CodecProfile): string {
  return kindOf(profile.name).profiles.describe(profile);
}

/**
 * Makes the codec of a profile.
 *
 * @param tables By layer; needed for calibrated profiles only.
 * @param turns What keys of the model's layers turn by; nothing if null or left out.
 *
 * @throws {RangeError} if a calibrated profile has no tables.
 */
export function createCodec(
  shape: HeadShape,
  profile: ProfileOptions,
  tables: readonly BandedTables[] | null,
  turns: LayerTurns = null,
): AnyCodec {
  return kindOf(profile.name).create(shape, profile, tables, turns);
}

/** Blocks of a profile apart from any device; null if they are read on their device only. */
export function portableForm(shape: HeadShape, profile: CodecProfile): PortableForm | null {
  return kindOf(profile.name).portable(shape, profile);
}

/** Whether a profile needs a calibration of the model. */
export function needsCalibration(profile: CodecProfile): profile is BandedProfile {
  return kindOf(profile.name).needsCalibration;
}

/**
 * The settings that a profile takes, with their names.
 *
 * @throws {RangeError} if there is no such profile.
 */
export function profileSettings(name: string): [name: string, setting: Setting<unknown>][] {
  return settingList(kindOf(name).profiles.settings);
}

/** Names of profiles whose layers share: `--share` takes them too. */
export const SHARING_PROFILE_NAMES: readonly string[] = CODECS
  .filter(({ isSharing = false }) => isSharing)
  .flatMap(({ profiles }) => profiles.profiles.map(({ name }) => name));

/**
 * The profile that `--share` names, with settings as in `xquant:bits=2,shrink=1`; null if it names
 * none.
 *
 * @throws {RangeError} naming a setting that is wrong.
 */
export function sharingProfile(text: string): ProfileOptions | null {
  const [name] = text.split(":", 1);
  if (!SHARING_PROFILE_NAMES.includes(name)) return null;
  const taken = profileSettings(name);
  const given = new Map<string, unknown>();
  const items = text === name ? [] : text.slice(name.length + 1).split(",");
  for (const item of items) {
    const [flag, ...values] = item.split("=");
    const found = taken.find(([, setting]) => setting.flag === flag);
    if (found === undefined || values.length !== 1) {
      const those = taken.map(([, { flag }]) => `${flag}=…`).join(", ");
      throw new RangeError(`Cannot use --share ${text}: ${name} takes ${those}, not "${item}"`);
    }
    const [property, setting] = found;
    if (given.has(property)) throw new RangeError(`Cannot use --share ${text}: ${flag} is twice`);
    given.set(property, setting.check(`--share ${name}:${item}`, setting.parse(values[0])));
  }
  return profileOptions({ name, ...Object.fromEntries(given) });
}

/** A setting with the codecs that have it, for help and documentation. */
export interface ListedSetting {
  /** The setting. */
  setting: Setting<unknown>;
  /** What it means, for which codecs (unless for all that have settings), and its range. */
  meaning: string;
  /** The default in words. */
  defaultWords: string;
}

/** The settings of all codecs, each once. */
export function listSettings(): ListedSetting[] {
  const withSettings = CODECS.filter(({ profiles }) => settingList(profiles.settings).length > 0);
  const owned = withSettings.flatMap(({ label, profiles }) => {
    const values = new Map<string, unknown>(Object.entries(profiles.profiles[0]));
    return settingList(profiles.settings).map(([name, setting]) => {
      return { label, setting, defaultWords: setting.defaultWords ?? String(values.get(name)) };
    });
  });
  const groups = Map.groupBy(owned, ({ setting }) => setting.flag);
  return [...groups.values()].map((group) => {
    const [{ setting, defaultWords }] = group;
    const owners = group.length === withSettings.length
      ? ""
      : `${group.map(({ label }) => label).join(", ")}: `;
    const range = setting.range === undefined ? "" : `, ${setting.range}`;
    return { setting, defaultWords, meaning: owners + setting.help + range };
  });
}

/** A profile's settings under the names of the requests' and answers' fields. */
export function profileFields(profile: CodecProfile): Record<string, unknown> {
  const values = new Map<string, unknown>(Object.entries(profile));
  return Object.fromEntries(
    profileSettings(profile.name)
      .filter(([, { field }]) => field !== null)
      .map(([name, setting]) => [fieldName(setting), values.get(name)]),
  );
}

/** The name of a setting in requests and answers. */
export function fieldName({ flag }: Setting<unknown>): string {
  return flag.replaceAll("-", "_");
}
