/**
 * What a WGSL text declares: constants, types and bindings, read without compiling it.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";

/** Types and constants that a text declares. */
export interface Declarations {
  aliases: Map<string, string>;
  /** Types of the members of each structure, in order. */
  structures: Map<string, string[]>;
  /** Expressions of `const` and `override`, or the values given. */
  constants: Map<string, string>;
}

/** One binding of group 0. */
export interface Binding {
  name: string;
  index: number;
  /** Whether the kernel may write to it. */
  isWritten: boolean;
}

/** A text without its comments. */
export function withoutComments(code: string): string {
  return code.replaceAll(/\/\/.*$/gm, "");
}

/** The bindings of a text, by declaration. */
export function bindings(code: string): Binding[] {
  const text = withoutComments(code);
  const known = declarations(text, {});
  const binding = /@group\(0\)\s*@binding\(([^)]+)\)\s*var<([^>]+)>\s*(\w+)\s*:/g;
  return [...text.matchAll(binding)].map(([, index, access, name]) => ({
    name,
    index: evaluate(index, known),
    isWritten: access.includes("read_write"),
  }));
}

/** Types and constants of a text without comments. */
export function declarations(
  text: string,
  overrides: Readonly<Record<string, number>>,
): Declarations {
  const aliases = new Map<string, string>();
  const structures = new Map<string, string[]>();
  const constants = new Map<string, string>();
  for (const [, name, type] of text.matchAll(/\balias\s+(\w+)\s*=\s*([^;]+);/g)) {
    aliases.set(name, type.trim());
  }
  for (const [, name, body] of text.matchAll(/\bstruct\s+(\w+)\s*\{([^}]*)\}/g)) {
    const members = splitList(body).map((member) => member.slice(member.indexOf(":") + 1).trim());
    structures.set(name, members);
  }
  const constant = /\b(?:const|override)\s+(\w+)\s*(?::\s*\w+\s*)?=\s*([^;]+);/g;
  for (const [, name, value] of text.matchAll(constant)) constants.set(name, value);
  for (const [name, value] of Object.entries(overrides)) constants.set(name, String(value));
  return { aliases, structures, constants };
}

/** Splits at commas that are in no brackets; an empty last part is left out. */
export function splitList(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    if (text[i] === "<" || text[i] === "(") depth++;
    if (text[i] === ">" || text[i] === ")") depth--;
    if (i < text.length && (text[i] !== "," || depth > 0)) continue;
    const part = text.slice(start, i).trim();
    if (part !== "") parts.push(part);
    start = i + 1;
  }
  return parts;
}

/** Value of a constant expression of `+`, `-`, `*`, `/`, brackets, whole numbers and constants. */
export function evaluate(expression: string, known: Declarations): number {
  const tokens = expression.match(/\d+|[A-Za-z_]\w*|[-+*/()]/g) ?? [];
  const words = tokens.filter((token, i) => token !== "u" || !/^\d+$/.test(tokens[i - 1] ?? ""));
  let place = 0;
  const factor = (): number => {
    const word = words[place++];
    if (word === "(") {
      const value = sum();
      place++;
      return value;
    }
    if (/^\d/.test(word)) return Number(word);
    const constant = known.constants.get(word);
    invariant(constant !== undefined, `constant ${word} has a value`);
    return evaluate(constant, known);
  };
  const product = (): number => {
    let value = factor();
    while (words[place] === "*" || words[place] === "/") {
      const isDivision = words[place++] === "/";
      const next = factor();
      value = isDivision ? Math.floor(value / next) : value * next;
    }
    return value;
  };
  const sum = (): number => {
    let value = product();
    while (words[place] === "+" || words[place] === "-") {
      const sign = words[place++] === "-" ? -1 : 1;
      value += sign * product();
    }
    return value;
  };
  return sum();
}
