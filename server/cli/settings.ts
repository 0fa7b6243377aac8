/**
 * Where a setting may come from, and which one wins: the command line, then the environment, then
 * the command's table of the configuration file, then the file's top, then the default.
 *
 * @module
 */

import type { Command } from "./command.ts";
import { readConfig, readConfigFile } from "./config_file.ts";
import { readEnvironment } from "./environment.ts";
import type { FlagSpecs, Setting, Settings } from "./flags.ts";
import { UsageError } from "./usage_error.ts";

/** The flag that every configurable command has beside its own. */
export const CONFIG_FLAGS: FlagSpecs = {
  config: {
    value: "FILE",
    help: "settings to use (default: ~/.config/packkv/config.toml, if there is one)",
  },
};

/** What {@link inheritSettings} found. */
export interface Inherited {
  /** For `parseFlags`. */
  settings: Settings;
  /** Where they are from and what was passed over, a line each. */
  notes: readonly string[];
}

/**
 * Settings for a command that come from elsewhere than its command line.
 *
 * @param args The command line, for `--config`.
 * @param command Whose settings are wanted; none if it is not configurable.
 * @throws {UsageError} If a variable or the file is wrong, naming it, with line or key.
 */
export async function inheritSettings(
  args: readonly string[],
  { command, commands, environment }: {
    command: Command;
    commands: readonly Command[];
    environment: Readonly<Record<string, string>>;
  },
): Promise<Inherited> {
  if (!command.isConfigurable) return { settings: new Map(), notes: [] };
  const configurable = commands.filter((each) => each.isConfigurable);
  const known = commands.flatMap(({ flags }) => Object.keys(flags));
  const file = await readConfigFile(namedConfig(args, environment), environment);
  const variables = readEnvironment(environment, { specs: withoutConfig(command).flags, known });
  const layers = [
    file === null ? new Map() : readConfig(file, {
      command: withoutConfig(command),
      commands: configurable.map(withoutConfig),
    }),
    variables.settings,
  ];
  const settings = new Map<string, Setting>();
  for (const layer of layers) {
    for (const [flag, setting] of layer) {
      if (setting === null) settings.delete(flag);
      else settings.set(flag, setting);
    }
  }
  const origin = file === null ? [] : [`settings from ${file.path}`];
  return { settings, notes: [...origin, ...variables.notes] };
}

/** A file cannot name another. */
function withoutConfig({ name, flags }: Command): { name: string; flags: FlagSpecs } {
  const { config: _, ...rest } = flags;
  return { name, flags: rest };
}

function namedConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): { path: string; label: string } | null {
  const end = args.indexOf("--");
  const own = end === -1 ? args : args.slice(0, end);
  const at = own.findLastIndex((arg) => arg === "--config" || arg.startsWith("--config="));
  if (at !== -1) {
    const path = own[at].includes("=") ? own[at].slice("--config=".length) : own[at + 1] ?? "";
    if (path === "") throw new UsageError("Cannot use --config: it needs a value, FILE");
    return { path, label: `--config ${path}` };
  }
  const path = environment.PACKKV_CONFIG;
  return path ? { path, label: `PACKKV_CONFIG=${path}` } : null;
}
