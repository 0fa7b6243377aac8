/**
 * How much workgroup memory a WGSL text takes, as WebGPU counts it, without compiling it.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";

/** Size and alignment of a type, bytes. */
interface TypeSize {
  size: number;
  alignment: number;
}

/** What a text declares. */
interface Declarations {
  aliases: Map<string, string>;
  /** Types of the members of each structure, in order. */
  structures: Map<string, string[]>;
  /** Expressions of `const` and `override`, or the values given. */
  constants: Map<string, string>;
}

/** Each variable is rounded up to this. WebGPU, section "WGSL-validating createComputePipeline". */
const VARIABLE_ALIGNMENT_BYTES = 16;

/**
 * Bytes of all `var<workgroup>` of a text whose types are numbers, vectors, arrays and structures.
 *
 * @param overrides Values of `override` constants.
 */
export function workgroupMemoryBytes(
  code: string,
  overrides: Readonly<Record<string, number>> = {},
): number {
  const text = code.replaceAll(/\/\/.*$/gm, "");
  const known = declarations(text, overrides);
  let bytes = 0;
  for (const [, type] of text.matchAll(/var<workgroup>\s*\w+\s*:\s*([^;]+);/g)) {
    bytes += alignTo(sizeOf(type.trim(), known).size, VARIABLE_ALIGNMENT_BYTES);
  }
  return bytes;
}

function declarations(text: string, overrides: Readonly<Record<string, number>>): Declarations {
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

function sizeOf(type: string, known: Declarations): TypeSize {
  const alias = known.aliases.get(type);
  if (alias !== undefined) return sizeOf(alias, known);
  const members = known.structures.get(type);
  if (members !== undefined) return structureSize(members, known);
  if (/^(f32|u32|i32|atomic<[ui]32>)$/.test(type)) return { size: 4, alignment: 4 };
  const vector = /^vec([234])(?:<(?:f32|u32|i32)>|[fui])$/.exec(type);
  if (vector) {
    const size = 4 * Number(vector[1]);
    return { size, alignment: size === 12 ? 16 : size };
  }
  const array = /^array<(.+)>$/s.exec(type);
  invariant(array !== null, `type ${type} has a known size`);
  const [element, count] = splitList(array[1]);
  const { size, alignment } = sizeOf(element, known);
  return { size: alignTo(size, alignment) * evaluate(count, known), alignment };
}

function structureSize(members: readonly string[], known: Declarations): TypeSize {
  let end = 0;
  let largest = 1;
  for (const member of members) {
    const { size, alignment } = sizeOf(member, known);
    end = alignTo(end, alignment) + size;
    largest = Math.max(largest, alignment);
  }
  return { size: alignTo(end, largest), alignment: largest };
}

/** Splits at commas that are in no brackets; an empty last part is left out. */
function splitList(text: string): string[] {
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
function evaluate(expression: string, known: Declarations): number {
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

function alignTo(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
