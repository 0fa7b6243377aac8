/**
 * The `parseArgs` of `@std/cli` over `node:util`, as far as a command line needs it. `deno.json`
 * maps `@std/cli/parse-args` here because JSR cannot be reached everywhere. Dotted names are not
 * nested, and a value glued to a short flag (`-p80`) is not split from it.
 *
 * @module
 */

import { parseArgs as lex } from "node:util";

/**
 * What the flags are called and how they are read. `S`, `B`, `C`: names of string, boolean, list
 * flags.
 */
export interface ParseOptions<
  S extends string = string,
  B extends string = string,
  C extends string = string,
  D extends object = object,
> {
  /** Flags that take a value and keep it as text. `_` keeps positional arguments as text. */
  string?: S | readonly S[];
  /** Flags without a value; `--x=false` and `--x false` are understood. Absent ones are false. */
  boolean?: B | readonly B[];
  /** Flags that may be repeated and give a list. */
  collect?: C | readonly C[];
  /** Booleans that `--no-x` sets to false. */
  negatable?: string | readonly string[];
  /** Values of absent flags. */
  default?: D;
  /** Other names of a flag; every name is set. */
  alias?: Readonly<Record<string, string | readonly string[]>>;
  /** All arguments after the first positional one are positional. */
  stopEarly?: boolean;
  /** Arguments after `--` go into `"--"` and not into `_`. */
  "--"?: boolean;
  /** Called for each undeclared argument (also positional ones); `false` leaves it out. */
  unknown?: (argument: string, key?: string, value?: unknown) => unknown;
}

type Value<K extends string, C extends string, V, D> = string extends C ? V | Default<K, D>
  : K extends C ? V[]
  : V | Default<K, D>;
type Default<K extends string, D> = K extends keyof D ? D[K] : undefined;

/** The flags by name, `_` for positional arguments and, if asked for, `"--"`. */
export type Args<S extends string, B extends string, C extends string, D> =
  & { [K in Exclude<S, "_">]: Value<K, C, string, D> }
  & { [K in B]: string extends C ? boolean : K extends C ? boolean[] : boolean }
  & { [K in Exclude<keyof D, S | B>]: D[K] }
  & { _: (string | number)[]; "--"?: string[] };

type Token = ReturnType<typeof lexTokens>[number];

/**
 * Reads a command line.
 *
 * @param args Arguments without the program's name, such as `Deno.args`.
 * @param options Which flags there are. Undeclared ones are read too: as text, number or `true`.
 * @returns Flags by name. A declared string flag without a value gives `""`.
 *
 * @example A flag with a value
 * ```ts
 * import { parseArgs } from "@std/cli/parse-args";
 * import { assertEquals } from "@std/assert";
 *
 * const args = parseArgs(["serve", "--port=80", "--verbose"], {
 *   string: ["port"],
 *   boolean: ["verbose"],
 * });
 * assertEquals([args._, args.port, args.verbose], [["serve"], "80", true]);
 * ```
 */
export function parseArgs<
  const S extends string = never,
  const B extends string = never,
  const C extends string = never,
  D extends object = Record<never, never>,
>(args: readonly string[], options: ParseOptions<S, B, C, D> = {}): Args<S, B, C, D> {
  const reader = new ArgumentReader(options);
  reader.read(args);
  return reader.finish() as Args<S, B, C, D>;
}

class ArgumentReader {
  readonly #options: ParseOptions;
  readonly #strings: ReadonlySet<string>;
  readonly #booleans: ReadonlySet<string>;
  readonly #lists: ReadonlySet<string>;
  readonly #negatable: ReadonlySet<string>;
  readonly #aliases = new Map<string, Set<string>>();
  readonly #values: Record<string, unknown> = {};
  readonly #positionals: (string | number)[] = [];
  #rest: string[] = [];

  constructor(options: ParseOptions) {
    this.#options = options;
    for (const [name, others] of Object.entries(options.alias ?? {})) {
      const names = new Set([name, ...listOf(others)]);
      for (const each of names) this.#aliases.set(each, names);
    }
    this.#strings = this.#withAliases(options.string);
    this.#booleans = this.#withAliases(options.boolean);
    this.#lists = this.#withAliases(options.collect);
    this.#negatable = this.#withAliases(options.negatable);
  }

  read(args: readonly string[]): void {
    const tokens = lexTokens(args);
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i];
      if (token.kind === "option-terminator") {
        this.#takeRest(args.slice(token.index + 1));
        return;
      }
      if (token.kind === "positional") {
        this.#takePositional(token.value);
        if (!this.#options.stopEarly) continue;
        for (const argument of args.slice(token.index + 1)) this.#takePositional(argument);
        return;
      }
      if (this.#takeOption(token, tokens[i + 1], args[token.index])) i++;
    }
  }

  finish(): Record<string, unknown> {
    const defaults = this.#options.default ?? {};
    for (const [name, value] of Object.entries(defaults)) {
      if (!(name in this.#values)) this.#assign(name, value);
    }
    for (const name of this.#lists) this.#values[name] ??= [];
    for (const name of this.#booleans) this.#values[name] ??= false;
    const result: Record<string, unknown> = { _: this.#positionals, ...this.#values };
    if (this.#options["--"]) result["--"] = this.#rest;
    return result;
  }

  /** Returns whether `next` was taken as the flag's value. */
  #takeOption(token: Token & { kind: "option" }, next: Token | undefined, raw: string): boolean {
    const { name } = token;
    const positive = name.startsWith("no-") ? name.slice(3) : "";
    if (this.#negatable.has(positive) && token.value === undefined) {
      this.#set(positive, false, raw);
      return false;
    }
    if (token.value !== undefined) {
      this.#set(name, this.#booleans.has(name) ? token.value !== "false" : token.value, raw);
      return false;
    }
    const value = next?.kind === "positional" ? next.value : undefined;
    if (this.#booleans.has(name)) {
      const isSpelled = value === "true" || value === "false";
      this.#set(name, value !== "false", raw);
      return isSpelled;
    }
    this.#set(name, value ?? (this.#strings.has(name) ? "" : true), raw);
    return value !== undefined;
  }

  #takePositional(value: string): void {
    if (this.#options.unknown?.(value) === false) return;
    this.#positionals.push(this.#strings.has("_") ? value : numberOr(value));
  }

  #takeRest(rest: string[]): void {
    if (this.#options["--"]) this.#rest = rest;
    else for (const argument of rest) this.#takePositional(argument);
  }

  #set(name: string, value: unknown, raw: string): void {
    const isDeclared = this.#strings.has(name) || this.#booleans.has(name) ||
      this.#lists.has(name) || this.#aliases.has(name);
    if (!isDeclared && this.#options.unknown?.(raw, name, value) === false) return;
    const typed = this.#strings.has(name) || typeof value !== "string" ? value : numberOr(value);
    if (!this.#lists.has(name)) return this.#assign(name, typed);
    const present = this.#values[name];
    this.#assign(name, Array.isArray(present) ? [...present, typed] : [typed]);
  }

  #assign(name: string, value: unknown): void {
    for (const each of this.#aliases.get(name) ?? [name]) this.#values[each] = value;
  }

  #withAliases(names: string | readonly string[] | undefined): Set<string> {
    return new Set(listOf(names).flatMap((name) => [...(this.#aliases.get(name) ?? [name])]));
  }
}

function lexTokens(args: readonly string[]) {
  return lex({ args: [...args], strict: false, allowPositionals: true, tokens: true }).tokens;
}

function listOf(names: string | readonly string[] | undefined): readonly string[] {
  return names === undefined ? [] : typeof names === "string" ? [names] : names;
}

function numberOr(text: string): string | number {
  const isNumber = /^0x[0-9a-f]+$/i.test(text) ||
    /^[-+]?(?:\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text);
  return isNumber ? Number(text) : text;
}
