/**
 * Flags as data: one table parses a command line and prints its help.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { nearest } from "./nearest.ts";
import { UsageError } from "./usage_error.ts";

/** One flag. */
export interface FlagSpec {
  /** What its value is called in help, e.g. `PORT`; left out: the flag takes none. */
  value?: string;
  /** Allowed values, if they are a closed set. */
  choices?: readonly string[];
  help: string;
}

/** Flags by name, without the dashes. */
export type FlagSpecs = Readonly<Record<string, FlagSpec>>;

/** Bounds of {@link Flags.number}, inclusive. */
export interface NumberRange {
  min: number;
  max: number;
  isInteger?: boolean;
  /** What is counted, such as `seconds`, for the message. */
  unit?: string;
}

/** Value of a flag, and what to call the place it came from, such as `PACKKV_PORT=80`. */
export interface Setting {
  value: string | true;
  label: string;
}

/** Settings by the name of their flag. */
export type Settings = ReadonlyMap<string, Setting>;

/** A parsed command line. */
export class Flags {
  readonly #values: Settings;
  /** Arguments that are no flags, in order. */
  readonly positionals: readonly string[];

  constructor(values: Settings, positionals: readonly string[]) {
    this.#values = values;
    this.positionals = positionals;
  }

  /** Whether a flag was given. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Value of a flag; null if it was not given. */
  text(name: string): string | null {
    const value = this.#values.get(name)?.value;
    return typeof value === "string" ? value : null;
  }

  /** What to call a setting in a message: the flag, or where it came from instead. */
  label(name: string): string {
    return this.#values.get(name)?.label ?? `--${name}`;
  }

  /**
   * Value of a flag as a number; null if it was not given.
   *
   * @throws {UsageError} If it is no number or out of `range`.
   */
  number(name: string, range: NumberRange): number | null {
    const text = this.text(name);
    if (text === null) return null;
    const value = Number(text);
    const { min, max, isInteger = false, unit = "" } = range;
    if (text.trim() !== "" && value >= min && value <= max) {
      if (!isInteger || Number.isInteger(value)) return value;
    }
    const kind = isInteger ? "a whole number" : "a number";
    throw new UsageError(
      `Cannot use ${this.label(name)}: must be ${kind}${
        unit && ` of ${unit}`
      } from ${min} to ${max}`,
    );
  }

  /** Refuses arguments that are no flags, for a command that takes none. */
  refusePositionals(): void {
    const [first] = this.positionals;
    if (first !== undefined) throw new UsageError(`Cannot understand "${first}": not a flag`);
  }
}

/**
 * Parses the arguments of a command.
 *
 * @param inherited Settings in force where the command line does not give the flag.
 * @throws {UsageError} If a flag is unknown (naming the nearest), lacks its value, or has one that
 * is not among its choices.
 */
export function parseFlags(
  args: readonly string[],
  specs: FlagSpecs,
  inherited: Settings = new Map(),
): Flags {
  const known = Object.keys(specs);
  const string = known.filter((name) => specs[name].value !== undefined);
  const boolean = known.filter((name) => specs[name].value === undefined);
  const refuse = (argument: string, key?: string) => {
    if (key === undefined) return true;
    const guess = nearest(key, known);
    const hint = guess === null ? "see --help" : `did you mean --${guess}?`;
    throw new UsageError(`Cannot understand ${argument.split("=")[0]}: no such flag; ${hint}`);
  };
  const parsed = parseArgs(args, { string: [...string, "_"], boolean, unknown: refuse });
  const values = new Map<string, Setting>();
  for (const name of known) {
    const value = (parsed as Record<string, unknown>)[name] as string | boolean | undefined;
    // Absent booleans are false too; only one that is written says no to what was inherited.
    const isRefused = value === false && args.some((arg) => arg.split("=")[0] === `--${name}`);
    const setting = toSetting(name, value) ?? (isRefused ? undefined : inherited.get(name));
    if (setting === undefined) continue;
    checkValue(name, setting, specs[name]);
    values.set(name, setting);
  }
  return new Flags(values, parsed._.map(String));
}

function toSetting(name: string, value: string | boolean | undefined): Setting | undefined {
  if (value === undefined || value === false) return undefined;
  return { value, label: value === true || value === "" ? `--${name}` : `--${name} ${value}` };
}

function checkValue(name: string, { value, label }: Setting, spec: FlagSpec): void {
  const { value: placeholder, choices } = spec;
  if (value === true) return;
  if (value === "") throw new UsageError(`Cannot use --${name}: it needs a value, ${placeholder}`);
  if (choices && !choices.includes(value)) {
    throw new UsageError(`Cannot use ${label}: must be ${choices.join(" or ")}`);
  }
}

/** Help on flags: a line for each, aligned. */
export function describeFlags(specs: FlagSpecs): string {
  const heads = Object.entries(specs).map(([name, { value, choices }]) => {
    const placeholder = choices ? `{${choices.join(",")}}` : value;
    return placeholder === undefined ? `--${name}` : `--${name} ${placeholder}`;
  });
  const width = Math.max(0, ...heads.map((head) => head.length));
  const helps = Object.values(specs).map(({ help }) => help);
  return heads.map((head, index) => `  ${head.padEnd(width)}  ${helps[index]}`).join("\n");
}
