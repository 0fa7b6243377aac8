/**
 * The intersection of several regular languages, as a finite automaton: for patterns with a length,
 * several patterns, and names that are not among others.
 *
 * @module
 */

import { character, characterPaths } from "./characters.ts";
import { choice, EMPTY, type Expression, type Grammar, rule, sequence } from "./expression.ts";
import { ANY_CODE, parts, type Range, union } from "./ranges.ts";
import { ANY_TEXT, insideString, type Regular, type Term } from "./regular.ts";

/** Most states of an automaton. */
const STATE_COUNT_MAX = 600;
/** Up to this many are made for speed, see `other_names.ts`. */
const FAST_COUNT_MAX = 60;
const NFA_STATE_COUNT_MAX = 20_000;

class TooLarge extends Error {}

/** Steps of one language: on a set of characters, or on nothing. */
class Nfa {
  readonly sets: { from: number; ranges: readonly Range[]; to: number }[] = [];
  readonly jumps: number[][] = [];
  readonly end: number;

  constructor(regular: Regular) {
    const start = this.#state();
    this.end = this.#add(regular, start);
  }

  #state(): number {
    if (this.jumps.length >= NFA_STATE_COUNT_MAX) throw new TooLarge();
    return this.jumps.push([]) - 1;
  }

  /** Adds steps for a language after a state; the state behind it. */
  #add(regular: Regular, from: number): number {
    switch (regular.kind) {
      case "set": {
        const to = this.#state();
        this.sets.push({ from, ranges: regular.ranges, to });
        return to;
      }
      case "sequence":
        return regular.parts.reduce((at, part) => this.#add(part, at), from);
      case "choice": {
        const to = this.#state();
        for (const part of regular.parts) this.jumps[this.#add(part, this.#after(from))].push(to);
        return to;
      }
      case "repeat":
        return this.#repeat(regular, from);
    }
  }

  #after(from: number): number {
    const to = this.#state();
    this.jumps[from].push(to);
    return to;
  }

  #repeat({ part, min, max }: Extract<Regular, { kind: "repeat" }>, from: number): number {
    let at = from;
    for (let count = 0; count < min; count++) at = this.#add(part, at);
    if (max === null) {
      const loop = this.#after(at);
      this.jumps[this.#add(part, loop)].push(loop);
      return this.#after(loop);
    }
    const to = this.#state();
    this.jumps[at].push(to);
    for (let count = min; count < max; count++) {
      at = this.#add(part, at);
      this.jumps[at].push(to);
    }
    return to;
  }

  /** States reached without a character, sorted. */
  closure(states: readonly number[]): number[] {
    const found = new Set(states);
    const waiting = [...states];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      for (const to of this.jumps[at]) {
        if (found.has(to)) continue;
        found.add(to);
        waiting.push(to);
      }
    }
    return [...found].sort((a, b) => a - b);
  }
}

/** Ranges of characters that each language treats alike. */
function symbolsOf(nfas: readonly Nfa[]): Range[][] {
  const sets = [...new Set(nfas.flatMap((nfa) => nfa.sets.map(({ ranges }) => ranges)))];
  const bySignature = new Map<string, Range[]>();
  for (const part of parts([ANY_CODE, ...sets])) {
    const isIn = (ranges: readonly Range[]) =>
      ranges.some(([a, b]) => a <= part[0] && part[1] <= b);
    if (!isIn(ANY_CODE)) continue;
    const signature = sets.map((ranges) => isIn(ranges) ? 1 : 0).join("");
    const ranges = bySignature.get(signature);
    if (ranges) ranges.push(part);
    else bySignature.set(signature, [part]);
  }
  return [...bySignature.values()];
}

/** Steps by state and symbol to states; -1: none. State 0 is the first. */
interface Automaton {
  symbols: Range[][];
  steps: number[][];
  isEnd: boolean[];
}

function explore(terms: readonly Term[]): Automaton {
  const nfas = terms.map(({ regular }) => new Nfa(regular));
  const symbols = symbolsOf(nfas);
  const moves = nfas.map((nfa) => {
    const table = symbols.map(() => new Map<number, number[]>());
    for (const { from, ranges, to } of nfa.sets) {
      symbols.forEach(([[code]], symbol) => {
        if (!ranges.some(([a, b]) => a <= code && code <= b)) return;
        const targets = table[symbol].get(from);
        if (targets) targets.push(to);
        else table[symbol].set(from, [to]);
      });
    }
    return table;
  });
  const found = new Map<string, number>();
  const states: number[][][] = [];
  const place = (state: number[][]): number => {
    const isDead = state.some((set, index) => set.length === 0 && !terms[index].isNegated);
    if (isDead) return -1;
    const key = state.join("|");
    const known = found.get(key);
    if (known !== undefined) return known;
    if (states.length >= STATE_COUNT_MAX * 8) throw new TooLarge();
    found.set(key, states.length);
    return states.push(state) - 1;
  };
  place(nfas.map((nfa) => nfa.closure([0])));
  const steps: number[][] = [];
  for (let at = 0; at < states.length; at++) {
    steps.push(
      symbols.map((_, symbol) =>
        place(
          nfas.map((nfa, index) =>
            nfa.closure(states[at][index].flatMap((from) => moves[index][symbol].get(from) ?? []))
          ),
        )
      ),
    );
  }
  const isEnd = states.map((state) =>
    nfas.every((nfa, index) => state[index].includes(nfa.end) !== terms[index].isNegated)
  );
  return { symbols, steps, isEnd };
}

/** Merges states that the same texts can follow, and removes those that lead nowhere. */
function minimise({ symbols, steps, isEnd }: Automaton): Automaton {
  // Class 0 is for what leads nowhere.
  const lives = isEnd.slice();
  for (let isChanged = true; isChanged;) {
    isChanged = false;
    steps.forEach((row, at) => {
      if (lives[at] || !row.some((to) => to >= 0 && lives[to])) return;
      lives[at] = isChanged = true;
    });
  }
  let classes: number[] = isEnd.map((end, at) => lives[at] ? (end ? 2 : 1) : 0);
  for (let count = 0;;) {
    const numbers = new Map<string, number>([["dead", 0]]);
    const next = steps.map((row, at) => {
      if (!lives[at]) return 0;
      const key = [classes[at], ...row.map((to) => to < 0 ? 0 : classes[to])].join();
      if (!numbers.has(key)) numbers.set(key, numbers.size);
      return numbers.get(key)!;
    });
    classes = next;
    if (numbers.size === count) break;
    count = numbers.size;
  }
  // State 0 is met first, so that its class has the smallest number.
  const result: Automaton = { symbols, steps: [], isEnd: [] };
  steps.forEach((row, at) => {
    if (!lives[at] || result.steps[classes[at] - 1]) return;
    result.steps[classes[at] - 1] = row.map((to) => to < 0 ? -1 : classes[to] - 1);
    result.isEnd[classes[at] - 1] = isEnd[at];
  });
  return result;
}

/**
 * Texts that belong to all terms, as they stand in a JSON string.
 *
 * @returns Null if that takes too many states.
 */
export function commonInsideString(grammar: Grammar, terms: readonly Term[]): Expression | null {
  let automaton: Automaton;
  try {
    automaton = minimise(explore(terms));
  } catch (error) {
    if (error instanceof TooLarge) return null;
    throw error;
  }
  const { symbols, steps, isEnd } = automaton;
  if (steps.length > STATE_COUNT_MAX) return null;
  if (steps.length === 0) return choice();
  const isFast = steps.length <= FAST_COUNT_MAX;
  const names = steps.map(() => grammar.reserve("state"));
  steps.forEach((row, at) => {
    const targets = [...new Set(row)].filter((to) => to >= 0);
    const isAny = isEnd[at] && row.every((to) => to === at);
    const paths = targets.flatMap((to) => {
      const ranges = union(...symbols.filter((_, symbol) => row[symbol] === to));
      const paths = isFast ? characterPaths(grammar, ranges) : [character(grammar, ranges)];
      return paths.map((path) => sequence(path, rule(names[to])));
    });
    grammar.rules.set(
      names[at],
      isAny ? insideString(grammar, ANY_TEXT) : choice(...(isEnd[at] ? [EMPTY] : []), ...paths),
    );
  });
  return rule(names[0]);
}
