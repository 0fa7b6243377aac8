/**
 * Regular languages over characters, and the grammar of one inside a JSON string.
 *
 * @module
 */

import { character, characters } from "./characters.ts";
import { counted, countedOf } from "./counts.ts";
import {
  choice,
  type Expression,
  type Grammar,
  NEVER,
  repeat,
  sequence,
  text,
} from "./expression.ts";
import { ANY_CODE, type Range } from "./ranges.ts";

/** A set of texts. */
export type Regular =
  | { kind: "set"; ranges: readonly Range[] }
  | { kind: "sequence"; parts: readonly Regular[] }
  | { kind: "choice"; parts: readonly Regular[] }
  | { kind: "repeat"; part: Regular; min: number; max: number | null };

/** Texts that belong to it, or with `isNegated` those that do not. */
export interface Term {
  regular: Regular;
  isNegated: boolean;
}

export const ANY_CHARACTER: Regular = { kind: "set", ranges: ANY_CODE };
export const ANY_TEXT: Regular = { kind: "repeat", part: ANY_CHARACTER, min: 0, max: null };

/** Exactly this text. */
export function literal(value: string): Regular {
  const parts = [...value].map((character): Regular => {
    const code = character.codePointAt(0)!;
    return { kind: "set", ranges: [[code, code]] };
  });
  return { kind: "sequence", parts };
}

/** Characters that a JSON string can hold in one way only. */
function isPlain(code: number): boolean {
  return code >= 0x20 && code !== 0x22 && code !== 0x2f && code !== 0x5c;
}

/** What a text of the language looks like between the quotes of a JSON string. */
export function insideString(grammar: Grammar, regular: Regular): Expression {
  switch (regular.kind) {
    case "set": {
      const [range] = regular.ranges;
      if (range === undefined) return NEVER;
      const isOne = regular.ranges.length === 1 && range[0] === range[1];
      return isOne && isPlain(range[0])
        ? text(String.fromCodePoint(range[0]))
        : character(grammar, regular.ranges);
    }
    case "sequence":
      return sequence(...regular.parts.map((part) => insideString(grammar, part)));
    case "choice":
      return choice(...regular.parts.map((part) => insideString(grammar, part)));
    case "repeat": {
      const { part, min, max } = regular;
      if (part.kind === "set" && part.ranges.length > 0) {
        return characters(grammar, part.ranges, { min, max });
      }
      const inside = insideString(grammar, part);
      if (max === 1) return repeat(inside, min, max);
      // As a rule of its own, since it is written more than once.
      const body = grammar.shared("part", JSON.stringify(inside), () => inside);
      return counted(grammar, countedOf(body), { min, max });
    }
  }
}

/** How many characters its texts have; max null: no end. */
export function lengthsOf(regular: Regular): { min: number; max: number | null } {
  switch (regular.kind) {
    case "set":
      return { min: 1, max: 1 };
    case "sequence":
    case "choice": {
      const all = regular.parts.map(lengthsOf);
      const maxima = all.map(({ max }) => max);
      const isSum = regular.kind === "sequence";
      const join = (values: number[]) =>
        isSum ? values.reduce((sum, value) => sum + value, 0) : Math.max(...values, 0);
      const minima = all.map(({ min }) => min);
      return {
        min: isSum ? join(minima) : Math.min(...minima),
        max: maxima.includes(null) ? null : join(maxima as number[]),
      };
    }
    case "repeat": {
      const { min, max } = lengthsOf(regular.part);
      const isEndless = max !== 0 && (max === null || regular.max === null);
      return { min: min * regular.min, max: isEndless ? null : (max ?? 0) * (regular.max ?? 0) };
    }
  }
}

/**
 * The texts of a language that have from `min` to `max` characters, if that only takes other counts
 * in one repetition of single characters; null if it takes more.
 */
export function ofLength(regular: Regular, min: number, max: number | null): Regular | null {
  const own = lengthsOf(regular);
  const isShortEnough = max === null || (own.max !== null && own.max <= max);
  if (own.min >= min && isShortEnough) return regular;
  const parts = regular.kind === "sequence" ? regular.parts : [regular];
  const open = parts.filter((part) => {
    const lengths = lengthsOf(part);
    return lengths.min !== lengths.max;
  });
  if (open.length !== 1) return null;
  const [part] = open;
  const at = parts.indexOf(part);
  const fixed = parts.reduce((sum, each) => sum + (each === part ? 0 : lengthsOf(each).min), 0);
  const wanted = { min: Math.max(0, min - fixed), max: max === null ? null : max - fixed };
  if (wanted.max !== null && wanted.max < 0) return { kind: "choice", parts: [] };
  const inner = part.kind === "sequence" ? ofLength(part, wanted.min, wanted.max) : null;
  if (inner !== null) {
    return { kind: "sequence", parts: [...parts.slice(0, at), inner, ...parts.slice(at + 1)] };
  }
  if (part.kind !== "repeat" || part.part.kind !== "set") return null;
  const low = Math.max(part.min, wanted.min);
  const high = Math.min(part.max ?? Infinity, wanted.max ?? Infinity);
  if (low > high) return { kind: "choice", parts: [] };
  const counted: Regular = { ...part, min: low, max: high === Infinity ? null : high };
  return { kind: "sequence", parts: [...parts.slice(0, at), counted, ...parts.slice(at + 1)] };
}
