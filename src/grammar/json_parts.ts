/**
 * What all JSON texts have: brackets, commas, colons and the space around them.
 *
 * @module
 */

import { type Expression, type Grammar, repeat, sequence, text } from "./expression.ts";

/** Most space between two parts of a JSON value: without a limit a model may never go on. */
const SPACE_COUNT_MAX = 2;
/** Space that may stand between parts of a JSON text. */
export function space(grammar: Grammar): Expression {
  const one: Expression = { kind: "bytes", ranges: [[0x09, 0x0a], [0x0d, 0x0d], [0x20, 0x20]] };
  return grammar.shared("space", "", () => repeat(one, 0, SPACE_COUNT_MAX));
}

/** Parts between brackets, each with the space behind it. */
export function bracketed(
  grammar: Grammar,
  [open, close]: readonly [string, string],
  between: Expression,
): Expression {
  return sequence(text(open), space(grammar), between, text(close));
}

/** A comma with the space behind it. */
export function comma(grammar: Grammar): Expression {
  return sequence(text(","), space(grammar));
}

/** A name, a colon and a value, with the space behind them. */
export function member(grammar: Grammar, name: Expression, value: Expression): Expression {
  return sequence(name, space(grammar), text(":"), space(grammar), value, space(grammar));
}
