/**
 * Strings of a schema, and names of members, as grammars.
 *
 * @module
 */

import { commonInsideString } from "./automaton.ts";
import { type Expression, type Grammar, isNever, sequence, text } from "./expression.ts";
import { formatPattern } from "./formats.ts";
import { otherThan } from "./other_names.ts";
import { patternTerms } from "./pattern.ts";
import {
  ANY_CHARACTER,
  insideString,
  literal,
  ofLength,
  type Regular,
  type Term,
} from "./regular.ts";

/** What a string must be. */
export interface StringRules {
  min: number;
  max: number | null;
  patterns: readonly string[];
  formats: readonly string[];
  /** Patterns that must not be found in it. */
  notPatterns?: readonly string[];
  /** Texts that it must not be. */
  notTexts?: readonly string[];
}

const QUOTE = text('"');
/** Longest counted length that is combined with other rules by counting every character. */
const COUNTED_MAX = 256;

/** A text as it stands in JSON. */
export function jsonText(value: string): Expression {
  return text(JSON.stringify(value));
}

function termsOf(rules: StringRules, weaken: (state: string) => void): Term[] {
  const found = [...rules.patterns, ...rules.formats.map((format) => formatPattern(format)!)];
  // Patterns were read before; what is left out of them was said then.
  const terms = found.flatMap((pattern) => patternTerms(pattern, () => {}));
  const negated = (rules.notPatterns ?? []).flatMap((pattern): Term[] => {
    let isExact = true;
    const parts = patternTerms(pattern, () => isExact = false);
    if (isExact && parts.length === 1) return [{ regular: parts[0].regular, isNegated: true }];
    weaken("it has a pattern of names that others cannot be kept apart from");
    return [];
  });
  const names = rules.notTexts ?? [];
  if (names.length === 0) return [...terms, ...negated];
  const regular: Regular = { kind: "choice", parts: names.map(literal) };
  return [...terms, ...negated, { regular, isNegated: true }];
}

/**
 * A string with its quotes.
 *
 * @param weaken Called if not all rules can be held together.
 */
export function stringExpression(
  grammar: Grammar,
  rules: StringRules,
  weaken: (state: string) => void,
): Expression {
  return grammar.shared("string", JSON.stringify(rules), () => {
    const inside = insideOf(grammar, rules, weaken);
    return isNever(inside) ? inside : sequence(QUOTE, inside, QUOTE);
  });
}

function insideOf(
  grammar: Grammar,
  rules: StringRules,
  weaken: (state: string) => void,
): Expression {
  const { min, max } = rules;
  const counted: Regular = { kind: "repeat", part: ANY_CHARACTER, min, max };
  const isFree = min === 0 && max === null && rules.patterns.length + rules.formats.length === 0 &&
    (rules.notPatterns ?? []).length === 0;
  if (isFree && rules.notTexts?.length) return otherThan(grammar, rules.notTexts);
  const terms = termsOf(rules, weaken);
  if (terms.length === 0) return insideString(grammar, counted);
  const [{ regular, isNegated }] = terms;
  if (terms.length === 1 && !isNegated) {
    const sized = ofLength(regular, min, max);
    if (sized !== null) return insideString(grammar, sized);
  }
  const hasLength = min > 0 || max !== null;
  const isCountable = Math.max(min, max ?? 0) <= COUNTED_MAX;
  const all = hasLength && isCountable ? [{ regular: counted, isNegated: false }, ...terms] : terms;
  const common = hasLength && !isCountable ? null : commonInsideString(grammar, all);
  if (common !== null) return common;
  weaken("its rules for a string are too large to be held together");
  return commonInsideString(grammar, terms) ??
    insideString(grammar, isNegated ? counted : regular);
}
