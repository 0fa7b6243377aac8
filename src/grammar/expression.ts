/**
 * Grammars as values, and their text for the grammar library.
 *
 * @module
 */

/** What a text may be. */
export type Expression =
  | { kind: "text"; text: string }
  /** One byte of any of the ranges. */
  | { kind: "bytes"; ranges: readonly (readonly [first: number, last: number])[] }
  | { kind: "rule"; name: string }
  | { kind: "sequence"; parts: readonly Expression[] }
  | { kind: "choice"; parts: readonly Expression[] }
  /** `max` null: without end. */
  | { kind: "repeat"; part: Expression; min: number; max: number | null };

/** Matches nothing at all, not even the empty text. */
export const NEVER: Expression = { kind: "choice", parts: [] };
export const EMPTY: Expression = { kind: "text", text: "" };

export const text = (value: string): Expression => ({ kind: "text", text: value });
export const rule = (name: string): Expression => ({ kind: "rule", name });

export function isNever(expression: Expression): boolean {
  return expression.kind === "choice" && expression.parts.length === 0;
}

export function sequence(...parts: readonly Expression[]): Expression {
  const kept = parts.filter((part) => !(part.kind === "text" && part.text === ""));
  if (kept.some(isNever)) return NEVER;
  return kept.length === 1
    ? kept[0]
    : kept.length === 0
    ? EMPTY
    : { kind: "sequence", parts: kept };
}

export function choice(...parts: readonly Expression[]): Expression {
  const kept = parts.flatMap((part) => part.kind === "choice" ? part.parts : [part]);
  return kept.length === 1 ? kept[0] : { kind: "choice", parts: kept };
}

export function repeat(part: Expression, min: number, max: number | null): Expression {
  if (max === 0) return EMPTY;
  if (isNever(part)) return min === 0 ? EMPTY : NEVER;
  return min === 1 && max === 1 ? part : { kind: "repeat", part, min, max };
}

export function optional(part: Expression): Expression {
  return repeat(part, 0, 1);
}

/** Rules by name, under construction. */
export class Grammar {
  readonly rules = new Map<string, Expression>();
  /** Rules that keep names apart, see `other_names.ts`. */
  nameRuleCount = 0;
  /** The same of names in marks, see `other_keys.ts`. */
  keyRuleCount = 0;
  readonly #named = new Map<string, string>();

  /** A name that no rule has. */
  reserve(stem: string): string {
    const name = `${stem}_${this.rules.size}`;
    this.rules.set(name, NEVER);
    return name;
  }

  /** A rule of this body; the same one if there is one of this key already. */
  shared(stem: string, key: string, make: (self: Expression) => Expression): Expression {
    const known = this.#named.get(`${stem}:${key}`);
    if (known !== undefined) return rule(known);
    const name = this.reserve(stem);
    this.#named.set(`${stem}:${key}`, name);
    this.rules.set(name, make(rule(name)));
    return rule(name);
  }
}

/**
 * The grammar without what can never be finished: rules that need themselves, alternatives that
 * need such rules.
 *
 * @returns Rules that can be reached from `root`, which is first; empty if it matches nothing.
 */
export function prune(grammar: Grammar, root: string): Map<string, Expression> {
  const { rules } = grammar;
  const finite = new Set<string>();
  const ends = (part: Expression): boolean => {
    switch (part.kind) {
      case "rule":
        return finite.has(part.name);
      case "sequence":
        return part.parts.every(ends);
      case "choice":
        return part.parts.some(ends);
      case "repeat":
        return part.min === 0 || ends(part.part);
      default:
        return true;
    }
  };
  // What a rule needs was mostly made after it.
  const backwards = [...rules].reverse();
  for (let count = -1; count < finite.size;) {
    count = finite.size;
    for (const [name, body] of backwards) if (!finite.has(name) && ends(body)) finite.add(name);
  }
  const kept = new Map<string, Expression>();
  const cut = (part: Expression): Expression => {
    switch (part.kind) {
      case "sequence":
        return sequence(...part.parts.map(cut));
      case "choice":
        return choice(...part.parts.filter(ends).map(cut));
      case "repeat":
        return ends(part.part) ? repeat(cut(part.part), part.min, part.max) : EMPTY;
      case "rule":
        if (!kept.has(part.name)) {
          kept.set(part.name, NEVER);
          kept.set(part.name, cut(rules.get(part.name)!));
        }
        return part;
      default:
        return part;
    }
  };
  if (finite.has(root)) cut(rule(root));
  return kept;
}
