/**
 * The flags that say which codec a cache has, from the settings of the codecs.
 *
 * @module
 */

import {
  DEFAULT_PROFILE_NAME,
  listSettings,
  PROFILE_NAMES,
  profileOptions,
  profileSettings,
} from "../../src/codec/profile.ts";
import type { ProfileOptions } from "../../src/codec/profile_types.ts";
import type { Setting } from "../../src/codec/settings.ts";
import type { Flags, FlagSpec, FlagSpecs } from "./flags.ts";
import { UsageError } from "./usage_error.ts";

/** Flags of the codecs' settings. */
const SETTING_FLAGS: FlagSpecs = Object.fromEntries(
  listSettings().map(({ setting, meaning, defaultWords }): [string, FlagSpec] => {
    const { flag, placeholder: value, choices } = setting;
    const spec = { value, help: `${meaning} (default: ${defaultWords})` };
    return [flag, choices ? { ...spec, choices } : spec];
  }),
);

/** Flags that name the model and the codec of its cache; of {@link readProfile}. */
export const CODEC_FLAGS: FlagSpecs = {
  model: {
    value: "MODEL",
    help: "GGUF file, short name (packkv models), or owner/repo:file.gguf (default: smollm2)",
  },
  profile: {
    value: "NAME",
    choices: PROFILE_NAMES,
    help: `codec of the KV cache (default: ${DEFAULT_PROFILE_NAME})`,
  },
  ...SETTING_FLAGS,
};

/**
 * Reads the codec flags.
 *
 * @throws {UsageError} If one is out of its range, or not one of the profile's.
 */
export function readProfile(flags: Flags): ProfileOptions {
  const name = flags.text("profile") ?? DEFAULT_PROFILE_NAME;
  const taken = profileSettings(name);
  const wrong = Object.keys(SETTING_FLAGS).find((flag) =>
    flags.has(flag) && !taken.some(([, setting]) => setting.flag === flag)
  );
  if (wrong) {
    const list = taken.map(([, { flag }]) => `--${flag}`).join(", ");
    const those = list === "" ? "no settings" : list;
    throw new UsageError(`Cannot use --${wrong} with --profile ${name}, which takes ${those}`);
  }
  const settings = taken.flatMap(([property, setting]) =>
    flags.has(setting.flag) ? [[property, readSetting(flags, setting)]] : []
  );
  return profileOptions({ name, ...Object.fromEntries(settings) });
}

function readSetting(flags: Flags, setting: Setting<unknown>): unknown {
  const label = flags.label(setting.flag);
  const text = flags.text(setting.flag) ?? "";
  try {
    const source = setting.source === "file" ? Deno.readTextFileSync(text) : text;
    return setting.check(label, setting.parse(source));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(
      error instanceof RangeError ? message : `Cannot use ${label}: ${message}`,
    );
  }
}
