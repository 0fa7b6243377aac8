/**
 * Texts that are none of a list: names of members beside those a schema lists.
 *
 * @module
 */

import { character, characterPaths } from "./characters.ts";
import { choice, EMPTY, type Expression, type Grammar, sequence } from "./expression.ts";
import { others } from "./ranges.ts";
import { ANY_TEXT, insideString } from "./regular.ts";

/**
 * Rules for names of all objects of a grammar together that are made for speed: the library needs
 * 10 ms for the masks of each, for a vocabulary of 50,000 tokens.
 */
const FAST_COUNT_MAX = 30;
/** Rules for names in all. Others than the fast need 1 ms each, and 10 ms a token in such names. */
const RULE_COUNT_MAX = 1000;

/**
 * Any text but these, as it stands in a JSON string. Lists with the same ends share rules. If there
 * are very many names, texts that begin like only one of them are left out too.
 */
export function otherThan(grammar: Grammar, texts: readonly string[]): Expression {
  const sorted = [...new Set(texts)].sort();
  return grammar.shared("other_name", JSON.stringify(sorted), () => {
    const count = ++grammar.nameRuleCount;
    const isFull = count > RULE_COUNT_MAX;
    const isFast = count <= FAST_COUNT_MAX;
    const byFirst = new Map<string, string[]>();
    for (const each of sorted) {
      const [first] = each;
      if (first === undefined) continue;
      const rest = each.slice(first.length);
      const known = byFirst.get(first);
      if (known) known.push(rest);
      else byFirst.set(first, [rest]);
    }
    const firsts = [...byFirst.keys()].map((each) => each.codePointAt(0)!);
    const open = others(firsts.map((code) => [code, code] as const));
    const rest = grammar.shared("rest_of_name", "", () => insideString(grammar, ANY_TEXT));
    const behind = [...byFirst].flatMap(([first, ends]) => {
      const code = first.codePointAt(0)!;
      if (isFull && ends.length === 1) return [];
      const next = otherThan(grammar, ends);
      return characterPaths(grammar, [[code, code]])
        .map((path) => sequence(path, next));
    });
    return choice(
      ...(sorted.includes("") ? [] : [EMPTY]),
      ...(isFast ? characterPaths(grammar, open) : [character(grammar, open)]).map((path) =>
        sequence(path, rest)
      ),
      ...behind,
    );
  });
}
