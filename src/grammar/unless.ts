/**
 * Any text that ends with a mark and has it nowhere else.
 *
 * @module
 */

import { choice, type Expression, type Grammar, rule, sequence, text } from "./expression.ts";

/** Where the search for `mark` stands after `count` of its bytes and then `byte`. */
function nextCount(mark: Uint8Array, count: number, byte: number): number {
  const seen = [...mark.subarray(0, count), byte];
  for (let length = Math.min(seen.length, mark.length); length > 0; length--) {
    const end = seen.slice(-length);
    if (end.every((each, index) => each === mark[index])) return length;
  }
  return 0;
}

type Ranges = [first: number, last: number][];

function rangesOf(bytes: readonly number[]): Ranges {
  const ranges: Ranges = [];
  for (const byte of bytes) {
    const last = ranges.at(-1);
    if (last && last[1] === byte - 1) last[1] = byte;
    else ranges.push([byte, byte]);
  }
  return ranges;
}

/**
 * Text up to and with the first `mark`. A rule for each state of the search, which names the state
 * before it: a matcher keeps no trace of such rules, however long the text.
 */
export function unless(grammar: Grammar, mark: string): Expression {
  const bytes = new TextEncoder().encode(mark);
  const last = bytes.at(-1)!;
  const names = searchStates(grammar, bytes);
  return sequence(rule(names.at(-1)!), { kind: "bytes", ranges: [[last, last]] });
}

/** Text without a `mark`, of any length. */
export function without(grammar: Grammar, mark: string): Expression {
  return choice(...searchStates(grammar, new TextEncoder().encode(mark)).map(rule));
}

/** Rules of texts that have no mark, by how many of its bytes they end with. */
function searchStates(grammar: Grammar, bytes: Uint8Array): string[] {
  const names = Array.from(bytes, () => grammar.reserve("before"));
  const reached = names.map(() => new Map<number, number[]>());
  for (let from = 0; from < bytes.length; from++) {
    for (let byte = 0; byte < 256; byte++) {
      const to = nextCount(bytes, from, byte);
      if (to === bytes.length) continue;
      const known = reached[to].get(from);
      if (known) known.push(byte);
      else reached[to].set(from, [byte]);
    }
  }
  reached.forEach((sources, to) => {
    const ways = [...sources].map(([from, each]) =>
      sequence(rule(names[from]), { kind: "bytes", ranges: rangesOf(each) })
    );
    grammar.rules.set(names[to], choice(...(to === 0 ? [text("")] : []), ...ways));
  });
  return names;
}
