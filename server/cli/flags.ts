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
}

/** A parsed command line. */
export class Flags {
  readonly #values: ReadonlyMap<string, string | true>;
  /** Arguments that are no flags, in order. */
  readonly positionals: readonly string[];

  constructor(values: ReadonlyMap<string, string | true>, positionals: readonly string[]) {
    this.#values = values;
    this.positionals = positionals;
  }

  /** Whether a flag was given. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Value of a flag; null if it was not given. */
  text(name: string): string | null {
    const value = this.#values.get(name);
    return typeof value === "string" ? value : null;
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
    const { min, max, isInteger = false } = range;
    if (text.trim() !== "" && value >= min && value <= max) {
      if (!isInteger || Number.isInteger(value)) return value;
    }
    const kind = isInteger ? "a whole number" : "a number";
    throw new UsageError(`Cannot use --${name} ${text}: must be ${kind} from ${min} to ${max}`);
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
 * @throws {UsageError} If a flag is unknown (naming the nearest), lacks its value, or has one that
 * is not among its choices.
 */
export function parseFlags(args: readonly string[], specs: FlagSpecs): Flags {
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
  const values = new Map<string, string | true>();
  for (const name of known) {
    const value = (parsed as Record<string, unknown>)[name];
    if (value === undefined || value === false) continue;
    if (typeof value === "string") checkValue(name, value, specs[name]);
    values.set(name, value as string | true);
  }
  return new Flags(values, parsed._.map(String));
}

function checkValue(name: string, value: string, { value: placeholder, choices }: FlagSpec): void {
  if (value === "") throw new UsageError(`Cannot use --${name}: it needs a value, ${placeholder}`);
  if (choices && !choices.includes(value)) {
    throw new UsageError(`Cannot use --${name} ${value}: must be ${choices.join(" or ")}`);
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
