/**
 * Regular expressions of JSON schemas as regular languages.
 *
 * @module
 */

import { type AST, RegExpParser } from "@eslint-community/regexpp";
import { ANY_CODE, common, others, type Range, union } from "./ranges.ts";
import { ANY_TEXT, literal, type Regular, type Term } from "./regular.ts";

const PATTERN_LENGTH_MAX = 4000;
const ASCII: readonly Range[] = [[0, 0x7f]];
/** Properties of characters that cut Unicode into more ranges are too large for a grammar. */
const RANGE_COUNT_MAX = 80;

const LINE_ENDS: readonly Range[] = [[0x0a, 0x0a], [0x0d, 0x0d], [0x2028, 0x2029]];
const SETS: Readonly<Record<"any" | "digit" | "space" | "word", readonly Range[]>> = {
  any: others(LINE_ENDS),
  digit: [[0x30, 0x39]],
  space: [
    [0x09, 0x0d],
    [0x20, 0x20],
    [0xa0, 0xa0],
    [0x1680, 0x1680],
    [0x2000, 0x200a],
    [0x2028, 0x2029],
    [0x202f, 0x202f],
    [0x205f, 0x205f],
    [0x3000, 0x3000],
    [0xfeff, 0xfeff],
  ],
  word: [[0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]],
};

const propertyRanges = new Map<string, Range[]>();

/** Code points with a property such as `\p{L}`, found by asking the engine about each. */
function rangesOfProperty(raw: string): Range[] {
  const known = propertyRanges.get(raw);
  if (known) return known;
  const test = new RegExp(`^${raw}$`, "u");
  const found: [number, number][] = [];
  for (const [first, last] of ANY_CODE) {
    for (let code = first; code <= last; code++) {
      if (!test.test(String.fromCodePoint(code))) continue;
      const before = found.at(-1);
      if (before && before[1] === code - 1) before[1] = code;
      else found.push([code, code]);
    }
  }
  propertyRanges.set(raw, found);
  return found;
}

/** What to do about a part that cannot be followed: throw, or let more match. */
type OnLoss = (state: string) => void;

const NOTHING: Regular = { kind: "sequence", parts: [] };

function refuse(state: string): never {
  throw new RangeError(state);
}

class Translator {
  /** Languages beside the main one, of assertions at the beginning. */
  readonly terms: Term[] = [];
  readonly #onLoss: OnLoss;

  constructor(onLoss: OnLoss) {
    this.#onLoss = onLoss;
  }

  /** All texts in which the pattern is found. */
  whole(alternatives: readonly AST.Alternative[]): Regular {
    return { kind: "choice", parts: alternatives.map((each) => this.#anchored(each.elements)) };
  }

  #anchored(elements: readonly AST.Element[]): Regular {
    const only = elements.length === 1 ? elements[0] : null;
    if (only !== null && isGroup(only)) return this.whole(only.alternatives);
    let parts = [...elements];
    const isFromStart = parts.length > 0 && isEdge(parts[0], "start");
    if (isFromStart) parts = parts.slice(1);
    const isToEnd = parts.length > 0 && isEdge(parts.at(-1)!, "end");
    if (isToEnd) parts = parts.slice(0, -1);
    const body = parts.map((part) => this.#element(part));
    return {
      kind: "sequence",
      parts: [...(isFromStart ? [] : [ANY_TEXT]), ...body, ...(isToEnd ? [] : [ANY_TEXT])],
    };
  }

  #alternatives(alternatives: readonly AST.Alternative[]): Regular {
    const parts = alternatives.map(({ elements }): Regular => {
      return { kind: "sequence", parts: elements.map((element) => this.#element(element)) };
    });
    return parts.length === 1 ? parts[0] : { kind: "choice", parts };
  }

  #element(element: AST.Element): Regular {
    switch (element.type) {
      case "Group":
        if (element.modifiers !== null) refuse(`it has ${element.modifiers.raw}`);
        return this.#alternatives(element.alternatives);
      case "CapturingGroup":
        return this.#alternatives(element.alternatives);
      case "Quantifier": {
        const { min, max } = element;
        const part = this.#element(element.element);
        return { kind: "repeat", part, min, max: max === Infinity ? null : max };
      }
      case "Character":
        return literal(String.fromCodePoint(element.value));
      case "CharacterSet":
      case "CharacterClass":
        return { kind: "set", ranges: this.#set(element) };
      case "Assertion":
        this.#onLoss(`it has ${element.raw} where it cannot be followed`);
        return NOTHING;
      case "Backreference":
        this.#onLoss(`it has ${element.raw}`);
        return ANY_TEXT;
      default:
        return refuse(`it has ${element.raw}`);
    }
  }

  #set(element: AST.Element | AST.CharacterClassElement): Range[] {
    switch (element.type) {
      case "Character":
        return [[element.value, element.value]];
      case "CharacterClassRange":
        return common([[element.min.value, element.max.value]], ANY_CODE);
      case "CharacterClass": {
        const inside = union(...element.elements.map((each) => this.#set(each)));
        return element.negate ? others(inside) : inside;
      }
      case "CharacterSet": {
        if (element.kind === "any") return [...SETS.any];
        const inside = element.kind === "property"
          ? rangesOfProperty(element.raw.replace(/^\\P/, "\\p"))
          : SETS[element.kind];
        const exact = element.negate ? others(inside) : [...inside];
        if (inside.length <= RANGE_COUNT_MAX) return exact;
        this.#onLoss(`${element.raw} is a set of too many ranges`);
        return union(common(exact, ASCII), others(ASCII));
      }
      default:
        return refuse(`it has ${element.raw}`);
    }
  }

  /** Takes assertions of what follows from the beginning of the one alternative. */
  leading(alternatives: readonly AST.Alternative[]): AST.Element[] | null {
    if (alternatives.length !== 1) return null;
    const [first, ...rest] = alternatives[0].elements;
    if (!first || !isEdge(first, "start")) return null;
    let at = 0;
    for (; at < rest.length; at++) {
      const element = rest[at];
      if (element.type !== "Assertion" || element.kind !== "lookahead") break;
      try {
        // Of what must not follow, more would be too much.
        const translator = element.negate ? new Translator(refuse) : this;
        const regular = translator.#following(element.alternatives);
        this.terms.push({ regular, isNegated: element.negate });
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        this.#onLoss(error.message);
      }
    }
    return at === 0 ? null : [first, ...rest.slice(at)];
  }

  /** All texts that begin with one of the alternatives. */
  #following(alternatives: readonly AST.Alternative[]): Regular {
    const parts = alternatives.map(({ elements: all }): Regular => {
      const isToEnd = all.length > 0 && isEdge(all.at(-1)!, "end");
      const elements = isToEnd ? all.slice(0, -1) : all;
      const body = elements.map((part) => this.#element(part));
      return { kind: "sequence", parts: [...body, ...(isToEnd ? [] : [ANY_TEXT])] };
    });
    return { kind: "choice", parts };
  }

  main(alternatives: readonly AST.Alternative[]): Regular {
    const elements = this.leading(alternatives);
    return elements === null ? this.whole(alternatives) : this.#anchored(elements);
  }
}

function isGroup(element: AST.Element): element is AST.Group | AST.CapturingGroup {
  return element.type === "CapturingGroup" || (element.type === "Group" && !element.modifiers);
}

function isEdge(element: AST.Element, kind: "start" | "end"): boolean {
  return element.type === "Assertion" && element.kind === kind;
}

function parse(pattern: string): AST.Pattern {
  const parser = new RegExpParser();
  try {
    return parser.parsePattern(pattern, 0, pattern.length, { unicode: true });
  } catch {
    // Without the flag more is allowed, such as \- outside a class.
    return parser.parsePattern(pattern, 0, pattern.length, { unicode: false });
  }
}

/**
 * Texts in which a pattern is found: those that belong to all terms, of which the first is not
 * negated.
 *
 * @param onLoss Called if a part is left out so that more belongs to the terms; without it such a
 * part is an error.
 * @throws {RangeError} If it holds what cannot be followed; says what.
 */
export function patternTerms(pattern: string, onLoss: OnLoss = refuse): Term[] {
  if (pattern.length > PATTERN_LENGTH_MAX) {
    throw new RangeError(`it is longer than ${PATTERN_LENGTH_MAX} characters`);
  }
  let parsed: AST.Pattern;
  try {
    parsed = parse(pattern);
  } catch (error) {
    throw new RangeError((error as Error).message);
  }
  const translator = new Translator(onLoss);
  const regular = translator.main(parsed.alternatives);
  return [{ regular, isNegated: false }, ...translator.terms];
}

const parsedPatterns = new Map<string, RegExp>();

/** Whether a pattern is found in a text. */
export function matches(pattern: string, value: string): boolean {
  let test = parsedPatterns.get(pattern);
  if (test === undefined) {
    try {
      test = new RegExp(pattern, "u");
    } catch {
      test = new RegExp(pattern);
    }
    parsedPatterns.set(pattern, test);
  }
  return test.test(value);
}
