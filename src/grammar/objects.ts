/**
 * Objects of a schema as grammars: members in the order of the schema, then others.
 *
 * @module
 */

import { type Branch, memberSub, type Sub } from "./branches.ts";
import { counted, countedOf } from "./counts.ts";
import {
  choice,
  EMPTY,
  type Expression,
  type Grammar,
  isNever,
  optional,
  rule,
  sequence,
} from "./expression.ts";
import { bracketed, comma, member } from "./json_parts.ts";
import type { SchemaReader } from "./read_schema.ts";
import { jsonText, stringExpression, type StringRules } from "./strings.ts";

type ObjectBranch = Extract<Branch, { type: "object" }>;

const PATTERN_COUNT_MAX = 4;
/** Most ways to be at a member with a number of members before it. */
const COUNTED_MAX = 2000;

const NAME: StringRules = { min: 0, max: null, patterns: [], formats: [] };

interface Member {
  isRequired: boolean;
  expression: Expression;
}

/** What is needed to write what is inside. */
interface ValueWriter {
  readonly grammar: Grammar;
  readonly reader: SchemaReader;
  value(sub: Sub): Expression;
}

/** Writes one kind of object. */
export class ObjectWriter {
  readonly #writer: ValueWriter;
  readonly #branch: ObjectBranch;
  #members: Member[] = [];
  #others: Expression = choice();
  readonly #known = new Map<string, string>();

  constructor(writer: ValueWriter, branch: ObjectBranch) {
    this.#writer = writer;
    this.#branch = branch;
  }

  write(): Expression {
    const { members, required, names } = this.#branch;
    const { grammar, reader } = this.#writer;
    const isClosed = reader.isStrict && members.length > 0 &&
      members.every(({ others }) => others === null);
    const listed = new Set(members.flatMap(({ properties }) => [...properties.keys()]));
    const rules = this.#nameRules(names);
    const own = rules.listed ?? [];
    const all = [...new Set([...listed, ...required, ...(isClosed ? [] : own)])];
    const isAllowed = (name: string) => reader.isValid(names, name);
    this.#members = all.filter((name) => isAllowed(name) || required.includes(name)).map((
      name,
    ) => ({
      isRequired: required.includes(name),
      expression: isAllowed(name)
        ? member(grammar, jsonText(name), this.#writer.value(memberSub(members, name)))
        : choice(),
    }));
    const isOver = rules.listed !== null;
    this.#others = isOver ? choice() : this.#unnamed(all, rules.strings, isClosed);
    const min = Math.max(0, this.#branch.min);
    const { max } = this.#branch;
    return bracketed(grammar, ["{", "}"], this.#from(0, min, max, false));
  }

  /** What `propertyNames` says: a list, or rules; neither is for any name. */
  #nameRules(names: Sub): { listed: string[] | null; strings: StringRules } {
    const none = { listed: null, strings: NAME };
    if (names.length === 0) return none;
    const { reader } = this.#writer;
    const branches = reader.branches(names).filter(({ type }) =>
      type === "string" || type === "literals"
    );
    if (branches.every(({ type }) => type === "literals")) {
      const values = branches.flatMap((branch) => branch.type === "literals" ? branch.values : []);
      return { listed: values.filter((value) => typeof value === "string"), strings: NAME };
    }
    const [only] = branches;
    if (branches.length === 1 && only.type === "string") {
      const { min, max, patterns, formats } = only;
      return { listed: null, strings: { min, max, patterns, formats } };
    }
    reader.weaken(names[0].at, "it has more than one kind of names");
    return none;
  }

  /** A member whose name is not of the list. */
  #unnamed(listed: readonly string[], rules: StringRules, isClosed: boolean): Expression {
    const { members, at } = this.#branch;
    const { grammar, reader } = this.#writer;
    const patterns = [
      ...new Set(members.flatMap((each) => each.patterns.map(({ pattern }) => pattern))),
    ];
    const weaken = (state: string) => reader.weaken(at, state);
    if (patterns.length > PATTERN_COUNT_MAX) {
      weaken(`it has over ${PATTERN_COUNT_MAX} patterns of names`);
      return member(grammar, stringExpression(grammar, NAME, weaken), this.#writer.value([]));
    }
    const paths: Expression[] = [];
    for (let chosen = 0; chosen < 2 ** patterns.length; chosen++) {
      if (isClosed && chosen === 0) continue;
      const found = patterns.filter((_, index) => chosen & (1 << index));
      const sub = members.flatMap((each): Sub => {
        const own = each.patterns.filter(({ pattern }) => found.includes(pattern));
        if (own.length > 0) return own.map(({ place }) => place);
        return each.others === null ? [] : [each.others];
      });
      if (reader.branches(sub).length === 0) continue;
      const value = this.#writer.value([...new Set(sub)]);
      const name = stringExpression(grammar, {
        ...rules,
        patterns: [...rules.patterns, ...found],
        notPatterns: patterns.filter((pattern) => !found.includes(pattern)),
        notTexts: listed,
      }, weaken);
      paths.push(member(grammar, name, value));
    }
    return choice(...paths);
  }

  /**
   * Members from `index` on.
   *
   * @param min Fewest members that are to come.
   * @param max Most of them.
   * @param isBehind Whether another member stands before.
   */
  #from(index: number, min: number, max: number | null, isBehind: boolean): Expression {
    const left = this.#members.slice(index);
    const neededCount = left.filter(({ isRequired }) => isRequired).length;
    if (max !== null && (neededCount > max || min > max)) return choice();
    const least = min <= neededCount ? 0 : min;
    const isCounted = max !== null && (max < left.length || this.#others.kind !== "choice" ||
      this.#others.parts.length > 0);
    const most = isCounted ? max : null;
    if (left.length === 0) return this.#rest(least, most, isBehind);
    const key = `${index} ${least} ${most} ${isBehind}`;
    const known = this.#known.get(key);
    if (known !== undefined) return rule(known);
    const { grammar, reader } = this.#writer;
    if (this.#known.size > COUNTED_MAX) {
      reader.weaken(this.#branch.at, "it has too many ways to count its members");
    }
    const isExact = this.#known.size <= COUNTED_MAX;
    const name = grammar.reserve("members");
    this.#known.set(key, name);
    const [{ isRequired, expression }] = left;
    const some = sequence(
      isBehind ? comma(grammar) : EMPTY,
      expression,
      this.#from(
        index + 1,
        isExact ? Math.max(0, least - 1) : 0,
        most === null || !isExact ? null : most - 1,
        true,
      ),
    );
    const without = isRequired ? [] : [this.#from(index + 1, least, most, isBehind)];
    grammar.rules.set(name, choice(some, ...without));
    return rule(name);
  }

  /** Members that are not listed, to the end. */
  #rest(min: number, max: number | null, isBehind: boolean): Expression {
    const { grammar } = this.#writer;
    const other = this.#others;
    if (isNever(other) || max === 0) return min === 0 ? EMPTY : choice();
    const one = grammar.shared("other", JSON.stringify(other), () => other);
    const next = grammar.shared("next", JSON.stringify(other), () => sequence(comma(grammar), one));
    if (isBehind) return counted(grammar, countedOf(next), { min, max });
    const more = counted(grammar, countedOf(next), {
      min: Math.max(0, min - 1),
      max: max === null ? null : max - 1,
    });
    return min === 0 ? optional(sequence(one, more)) : sequence(one, more);
  }
}
