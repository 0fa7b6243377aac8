/**
 * Settings from a file in TOML: flags by their names, for all commands at the top, for one command
 * in a table of its name.
 *
 * @module
 */

import { join } from "node:path";
import { parse, TomlError } from "smol-toml";
import type { FlagSpecs, Setting } from "./flags.ts";
import { nearest } from "./nearest.ts";
import { UsageError } from "./usage_error.ts";

/** A file that was read. */
export interface ConfigFile {
  path: string;
  text: string;
}

/** A command that takes settings, by what it is called and which flags it has. */
export interface Configurable {
  name: string;
  flags: FlagSpecs;
}

/**
 * Reads the configuration file: the one named, or else the user's, if there is one.
 *
 * @param named Path, and what named it; null: `${XDG_CONFIG_HOME:-~/.config}/packkv/config.toml`.
 * @throws {UsageError} If a named file cannot be read, or the user's is there but unreadable.
 */
export async function readConfigFile(
  named: { path: string; label: string } | null,
  environment: Readonly<Record<string, string>>,
): Promise<ConfigFile | null> {
  const path = named?.path ?? defaultPath(environment);
  if (path === null) return null;
  try {
    return { path, text: await Deno.readTextFile(path) };
  } catch (error) {
    if (named === null && error instanceof Deno.errors.NotFound) return null;
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Cannot read the configuration ${named?.label ?? path}: ${reason}`);
  }
}

function defaultPath(environment: Readonly<Record<string, string>>): string | null {
  const home = environment.HOME || environment.USERPROFILE;
  const base = environment.XDG_CONFIG_HOME || (home && join(home, ".config"));
  return base ? join(base, "packkv", "config.toml") : null;
}

/**
 * The names of a file's tables.
 *
 * @throws {UsageError} Naming file and line of a fault of form.
 */
export function tableNames(file: ConfigFile): string[] {
  return Object.entries(parseFile(file)).flatMap(([name, value]) => isTable(value) ? [name] : []);
}

/**
 * Takes the settings of one command from a file.
 *
 * @param command Whose settings are wanted.
 * @param commands All commands that take settings: what is for another one is checked too.
 * @returns Settings by flag; null says no to a flag without a value.
 * @throws {UsageError} Naming file and line of a fault of form, file and key of anything else.
 */
export function readConfig(
  file: ConfigFile,
  { command, commands }: { command: Configurable; commands: readonly Configurable[] },
): Map<string, Setting | null> {
  const reader = new ConfigReader(file, commands);
  const settings = new Map<string, Setting | null>();
  for (const { name, flag, setting } of reader.read()) {
    const isOurs = name === command.name || (name === null && Object.hasOwn(command.flags, flag));
    if (isOurs) settings.set(flag, setting);
  }
  return settings;
}

function parseFile({ path, text }: ConfigFile): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [reason] = error.message.replace(/^Invalid TOML document: /, "").split("\n");
    const place = `${path}:${error.line}:${error.column}`;
    throw new UsageError(`Cannot read the configuration ${place}: ${reason}`);
  }
}

interface Entry {
  /** The command the entry is for; null for all. */
  name: string | null;
  flag: string;
  setting: Setting | null;
}

class ConfigReader {
  readonly #file: ConfigFile;
  readonly #commands: readonly Configurable[];

  constructor(file: ConfigFile, commands: readonly Configurable[]) {
    this.#file = file;
    this.#commands = commands;
  }

  /** Entries for all commands, then those of tables: later ones win. */
  read(): Entry[] {
    const all: FlagSpecs = Object.assign({}, ...this.#commands.map(({ flags }) => flags));
    const top: Entry[] = [];
    const tables: Entry[] = [];
    for (const [key, value] of Object.entries(parseFile(this.#file))) {
      const command = this.#commands.find(({ name }) => name === key);
      if (command === undefined) {
        const names = [...Object.keys(all), ...this.#commands.map(({ name }) => name)];
        top.push(this.#entry(null, { key, value, flags: all, names }));
        continue;
      }
      if (!isTable(value)) throw this.#fault(key, `must be a table, [${key}]`);
      const names = Object.keys(command.flags);
      for (const [inner, each] of Object.entries(value)) {
        const entry = { key: inner, value: each, flags: command.flags, names };
        tables.push(this.#entry(key, entry));
      }
    }
    return [...top, ...tables];
  }

  #entry(
    name: string | null,
    { key, value, flags, names }: {
      key: string;
      value: unknown;
      flags: FlagSpecs;
      names: readonly string[];
    },
  ): Entry {
    const place = name === null ? key : `${name}.${key}`;
    if (!Object.hasOwn(flags, key)) {
      const guess = nearest(key, names);
      const hint = guess === null ? "see --help for the flags there are" : `did you mean ${guess}?`;
      throw this.#fault(place, `no such setting; ${hint}`);
    }
    return { name, flag: key, setting: this.#setting(place, value, flags[key].value) };
  }

  #setting(place: string, value: unknown, placeholder: string | undefined): Setting | null {
    const text = Array.isArray(value) && value.every((each) => typeof each === "string")
      ? value.join(",")
      : value;
    const label = `${place} = ${
      place.endsWith("api-key") ? "…" : JSON.stringify(text)
    } of ${this.#file.path}`;
    if (placeholder === undefined) {
      if (typeof text !== "boolean") throw this.#fault(place, "must be true or false");
      return text ? { value: true, label } : null;
    }
    if (typeof text === "string" || typeof text === "number" || typeof text === "bigint") {
      return { value: String(text), label };
    }
    throw this.#fault(place, `must be a string or a number (${placeholder})`);
  }

  #fault(place: string, reason: string): UsageError {
    return new UsageError(`Cannot use ${place} of ${this.#file.path}: ${reason}`);
  }
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date);
}
