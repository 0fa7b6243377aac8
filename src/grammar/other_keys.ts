/**
 * Names of members in marks that a schema does not list.
 *
 * @module
 */

import { choice, EMPTY, type Expression, type Grammar, repeat, sequence } from "./expression.ts";

type Range = readonly [first: number, last: number];

/** What names are made of: no space, no quotation mark, no angle brackets. */
const KEY_BYTES: readonly Range[] = [[35, 59], [61, 61], [63, 126]];
const KEY_LENGTH_MAX = 64;
const SLASH = "/".charCodeAt(0);

/** Rules for all names of a grammar; beyond, names that begin like only one listed are left out. */
const RULE_COUNT_MAX = 400;

function except(ranges: readonly Range[], bytes: readonly number[]): Range[] {
  return bytes.reduce((left: readonly Range[], byte) =>
    left.flatMap(([first, last]): Range[] => {
      if (byte < first || byte > last) return [[first, last]];
      return ([[first, byte - 1], [byte + 1, last]] as const).filter(([from, to]) => from <= to);
    }), ranges) as Range[];
}

const isKey = (name: string) => /^[#-;=?-~]+$/.test(name);

/**
 * Names that are none of these and do not begin with a slash; at most 64 characters behind what
 * they share with one of them.
 */
export function otherKey(grammar: Grammar, names: readonly string[]): Expression {
  const rest = grammar.shared(
    "rest_of_key",
    "",
    () => repeat({ kind: "bytes", ranges: KEY_BYTES }, 0, KEY_LENGTH_MAX - 1),
  );
  const behind = (ends: readonly string[], isFirst: boolean): Expression =>
    grammar.shared("other_key", JSON.stringify([isFirst, ends]), () => {
      const isFull = ++grammar.keyRuleCount > RULE_COUNT_MAX;
      const byFirst = Map.groupBy(ends.filter((end) => end !== ""), ([first]) => first);
      const firsts = [...byFirst.keys()].map((first) => first.charCodeAt(0));
      const open = except(KEY_BYTES, isFirst ? [...firsts, SLASH] : firsts);
      const ways = [...byFirst].flatMap(([first, own]) => {
        if (isFull && own.length === 1) return [];
        const code = first.charCodeAt(0);
        const byte: Expression = { kind: "bytes", ranges: [[code, code]] };
        return [sequence(byte, behind(own.map((end) => end.slice(1)), false))];
      });
      const mayEnd = !isFirst && !ends.includes("");
      const others = sequence({ kind: "bytes", ranges: open }, rest);
      return choice(...(mayEnd ? [EMPTY] : []), others, ...ways);
    });
  return behind([...new Set(names.filter(isKey))].sort(), true);
}
