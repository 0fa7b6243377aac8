/**
 * Repetition from a least to a greatest count. The library's own is slow: it expands small counts
 * in every way, and checks every token again for large ones.
 *
 * @module
 */

import { choice, EMPTY, type Expression, type Grammar, repeat, sequence } from "./expression.ts";

/** Up to this count a single class is written out in one rule. */
const WRITTEN_MAX = 16;
/** Up to this count each one has a rule; beyond it there are blocks. */
const LISTED_MAX = 40;
const BLOCK = 32;

/** What is counted. */
export interface Counted {
  /** A key that equal things share. */
  key: string;
  /** Ways to write one, in short. */
  paths: readonly Expression[];
  /** Any number of it. */
  any: Expression;
}

/** An expression to repeat. */
export function countedOf(part: Expression): Counted {
  return { key: JSON.stringify(part), paths: [part], any: repeat(part, 0, null) };
}

/** Between `min` and `max` of it; max null: no upper limit. */
export function counted(
  grammar: Grammar,
  what: Counted,
  range: { min: number; max: number | null },
): Expression {
  const { min, max } = range;
  if (max !== null && max < min) return choice();
  if (max === 0) return EMPTY;
  if (min === 0 && max === null) return what.any;
  if (max === 1) return choice(...(min === 0 ? [EMPTY] : []), ...what.paths);
  if (max !== null && max <= WRITTEN_MAX && what.paths.length === 1) {
    return written(grammar, what, range);
  }
  if (max === null ? min <= LISTED_MAX : max <= LISTED_MAX) return listed(grammar, what, range);
  const size = blockSize(max ?? min);
  const rest = {
    min: Math.max(0, min - size),
    max: max === null ? null : max - size,
  };
  return grammar.shared("count", keyOf(what, range), () => {
    const full = sequence(block(grammar, what, size), counted(grammar, what, rest));
    return min >= size ? full : choice(full, counted(grammar, what, { min, max: size - 1 }));
  });
}

const keyOf = ({ key }: Counted, { min, max }: { min: number; max: number | null }) =>
  `${min} ${max} ${key}`;

function written(
  grammar: Grammar,
  what: Counted,
  range: { min: number; max: number | null },
): Expression {
  const { min, max } = range;
  const [path] = what.paths;
  const times = (count: number) => sequence(...Array.from({ length: count }, () => path));
  if (min === max) return times(min);
  return grammar.shared(
    "count",
    keyOf(what, range),
    () => choice(...Array.from({ length: max! - min + 1 }, (_, index) => times(min + index))),
  );
}

function listed(
  grammar: Grammar,
  what: Counted,
  range: { min: number; max: number | null },
): Expression {
  const { min, max } = range;
  if (max === 0) return EMPTY;
  if (min === 0 && max === null) return what.any;
  return grammar.shared("count", keyOf(what, range), () => {
    const rest = listed(grammar, what, {
      min: Math.max(0, min - 1),
      max: max === null ? null : max - 1,
    });
    const some = what.paths.map((path) => sequence(path, rest));
    return choice(...(min === 0 ? [EMPTY] : []), ...some);
  });
}

/** The largest block size that needs few enough blocks. */
function blockSize(count: number): number {
  let size = BLOCK;
  while (count > size * BLOCK * 4) size *= BLOCK;
  return size;
}

function block(grammar: Grammar, what: Counted, size: number): Expression {
  return grammar.shared("block", `${size} ${what.key}`, () => {
    if (size === BLOCK) return listed(grammar, what, { min: BLOCK, max: BLOCK });
    const part = block(grammar, what, size / BLOCK);
    return sequence(...Array.from({ length: BLOCK }, () => part));
  });
}
