/**
 * Settings of codecs as data. Flags, fields of requests and answers, checks, help and descriptions
 * all follow from one table of each codec.
 *
 * @module
 */

/** One setting, as `T`. */
export interface Setting<T> {
  /** Flag without dashes; the field of requests and answers has underscores instead. */
  readonly flag: string;
  /** What a flag's value is called in help, e.g. `STEP`. */
  readonly placeholder: string;
  /** What it means, for help and documentation. */
  readonly help: string;
  /** What it may be in words, where it is a number within bounds. */
  readonly range?: string;
  /** The default in words, where it is not the same value for all profiles of the codec. */
  readonly defaultWords?: string;
  /** Allowed values as text, if they are a closed set. */
  readonly choices?: readonly string[];
  /** What a request's field holds; null: requests and answers do not have it. */
  readonly field: "number" | "text" | null;
  /** What a flag's value is: its own text, or the path of a JSON file that holds it. */
  readonly source: "text" | "file";
  /** The value of a flag's text; what it returns is not checked. */
  parse(text: string): unknown;
  /**
   * Refuses what it may not be.
   *
   * @param label What to call it with its value, e.g. `keyRel 0.7`.
   * @throws {RangeError} naming the setting, its value and what it may be.
   */
  check(label: string, value: unknown): T;
  /** What descriptions of profiles say of it; null for nothing. */
  describe(value: unknown): string | null;
}

/** The settings of a codec, by the names of their properties. */
export type SettingsTable<S> = { readonly [Name in keyof S]-?: Setting<S[Name]> };

/** The words of a setting; see {@link Setting}. */
export interface SettingWords {
  /** Flag without dashes. */
  flag: string;
  /** What a flag's value is called in help. */
  placeholder: string;
  /** What it means. */
  help: string;
  /** The default in words. */
  defaultWords?: string;
  /** In descriptions, before the value; the flag if left out. */
  word?: string;
}

/** A number from `min` to `max`; `range` says so in words. */
export function numberSetting(
  options: SettingWords & { min: number; max: number; isInteger?: boolean; range?: string },
): Setting<number> {
  const { word, min, max, isInteger = false, range = `${min} to ${max}`, ...words } = options;
  return {
    ...words,
    range,
    field: "number",
    source: "text",
    parse: (text) => text.trim() === "" ? text : Number(text),
    check(label, value) {
      const isNumber = typeof value === "number" && value >= min && value <= max;
      if (isNumber && (!isInteger || Number.isInteger(value))) return value;
      const kind = isInteger ? "a whole number" : "a number";
      throw new RangeError(`Cannot use ${label}: must be ${kind} from ${range}`);
    },
    describe: (value) => `${word ?? options.flag} ${value}`,
  };
}

/** One of some numbers. */
export function numberChoice(
  options: SettingWords & { values: readonly number[] },
): Setting<number> {
  const { word, values, ...words } = options;
  return {
    ...words,
    choices: values.map(String),
    field: "number",
    source: "text",
    parse: Number,
    check(label, value) {
      const found = values.find((each) => each === value);
      if (found !== undefined) return found;
      throw new RangeError(`Cannot use ${label}: must be ${either(values)}`);
    },
    describe: (value) => `${word ?? options.flag} ${value}`,
  };
}

/** One of some words; descriptions leave out `silent`, if there is one. */
export function wordChoice<const T extends string>(
  options: SettingWords & { values: readonly T[]; silent?: NoInfer<T> },
): Setting<T> {
  const { word, values, silent, ...words } = options;
  return {
    ...words,
    choices: values,
    field: "text",
    source: "text",
    parse: (text) => text,
    check(label, value) {
      const found = values.find((each) => each === value);
      if (found !== undefined) return found;
      throw new RangeError(`Cannot use ${label}: must be ${either(values)}`);
    },
    describe: (value) => value === silent ? null : `${word ?? options.flag} ${value}`,
  };
}

/** `4, 8, 16 or 32`. */
function either(values: readonly unknown[]): string {
  return `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
}
