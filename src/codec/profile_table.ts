/**
 * The profiles of a codec: names for sets of its settings.
 *
 * @module
 */

import type { Setting, SettingsTable } from "./settings.ts";

/** A profile's name, and settings that are not checked yet. */
export type GivenProfile =
  | { readonly name: string }
  | { readonly name: string; readonly [setting: string]: unknown };

/** A profile's name, and what differs from its own settings. */
export type OptionsOf<P extends { name: string }> = P extends { name: string }
  ? Pick<P, "name"> & Partial<Omit<P, "name">>
  : never;

/** Profiles `P` of one codec, and its settings. */
export class ProfileTable<P extends { name: string }> {
  /** The settings by name, in the order of descriptions and of the text that names blocks. */
  readonly settings: SettingsTable<Omit<P, "name">>;
  /** The profiles as they are without settings. */
  readonly profiles: readonly P[];

  /** Names `profiles`; each holds all of `settings`. */
  constructor(settings: SettingsTable<Omit<P, "name">>, profiles: readonly P[]) {
    this.settings = settings;
    this.profiles = profiles;
  }

  /** Whether one of the profiles has this name. */
  has(name: string): boolean {
    return this.profiles.some((each) => each.name === name);
  }

  /**
   * Checks settings and fills in the profile's own.
   *
   * @throws {RangeError} naming the setting, its value and what it may be.
   */
  profile(given: GivenProfile): P {
    const { name, ...rest } = given;
    const settings: Record<string, unknown> = rest;
    const profile = { ...this.#base(name) };
    const names = this.#names();
    const extra = Object.keys(settings).find((key) =>
      settings[key] !== undefined && !names.some((each) => each === key)
    );
    if (extra !== undefined) {
      const those = names.length === 0 ? "no settings" : `only ${names.join(", ")}`;
      throw new RangeError(`Cannot set ${extra}: profile ${name} takes ${those}`);
    }
    for (const key of names) {
      const value = settings[String(key)];
      if (value === undefined) continue;
      profile[key] = this.settings[key].check(labelOf(String(key), value), value);
    }
    return profile;
  }

  /** The profile in words, e.g. `paper (k-rel 0.1, v-rel 0.2, pack 16)`. */
  describe(profile: { name: string }): string {
    const values = new Map<string, unknown>(Object.entries(profile));
    const words = settingList(this.settings).flatMap(([name, setting]) =>
      setting.describe(values.get(name)) ?? []
    );
    return words.length === 0 ? profile.name : `${profile.name} (${words.join(", ")})`;
  }

  #base(name: string): P {
    const base = this.profiles.find((each) => each.name === name);
    if (base === undefined) throw new RangeError(`Cannot find profile ${name}`);
    return base;
  }

  #names(): Exclude<keyof P, "name">[] {
    return Object.keys(this.settings) as Exclude<keyof P, "name">[];
  }
}

/** The settings of a table with their names, in its order. */
export function settingList(table: object): [name: string, setting: Setting<unknown>][] {
  return Object.entries(table);
}

function labelOf(name: string, value: unknown): string {
  if (typeof value === "object") return name;
  return `${name} ${typeof value === "string" ? JSON.stringify(value) : value}`;
}
