/**
 * From the normal form of a schema to grammar rules for JSON texts.
 *
 * @module
 */

import { counted, countedOf } from "./counts.ts";
import type { Branch, Sub } from "./branches.ts";
import {
  choice,
  EMPTY,
  type Expression,
  type Grammar,
  optional,
  sequence,
  text,
} from "./expression.ts";
import {
  multiplesExpression,
  numberExpression,
  type NumberRange,
  type toDecimal,
} from "./numbers.ts";
import { bracketed, comma, member, space } from "./json_parts.ts";
import { ObjectWriter } from "./objects.ts";
import type { SchemaReader } from "./read_schema.ts";
import { jsonText, stringExpression } from "./strings.ts";

/** Most numbers of a range with a divisor that are listed. */
const LISTED_COUNT_MAX = 1000;
/** Largest divisor of whole numbers of any size. */
const DIVISOR_MAX = 100;

/** Writes the schemas of one document. */
export class SchemaWriter {
  readonly grammar: Grammar;
  readonly reader: SchemaReader;
  readonly #stem: string;

  /** @param stem Begins the names of this document's rules, apart from others in the grammar. */
  constructor(grammar: Grammar, reader: SchemaReader, stem: string) {
    this.grammar = grammar;
    this.reader = reader;
    this.#stem = stem;
  }

  /** A value for which all schemas hold. */
  value(sub: Sub): Expression {
    const ids = sub.map(({ id }) => id).filter((id) => id !== this.reader.anything.id);
    const key = ids.length === 0 ? "any" : ids.sort((a, b) => a - b).join();
    // An empty schema is the same in all documents.
    const stem = key === "any" ? "any" : this.#stem;
    return this.grammar.shared(
      stem,
      key,
      () => choice(...this.reader.branches(sub).map((branch) => this.#branch(branch))),
    );
  }

  #branch(branch: Branch): Expression {
    switch (branch.type) {
      case "literals":
        return choice(...branch.values.map((value) => this.#literal(value)));
      case "null":
        return text("null");
      case "boolean":
        return choice(text("true"), text("false"));
      case "number":
        return this.#number(branch);
      case "string": {
        const { min, max, patterns, formats, at } = branch;
        const rules = { min, max, patterns, formats };
        return stringExpression(this.grammar, rules, (state) => this.reader.weaken(at, state));
      }
      case "array":
        return this.#array(branch);
      case "object":
        return new ObjectWriter(this, branch).write();
    }
  }

  #literal(value: unknown): Expression {
    const { grammar } = this;
    const joined = (parts: Expression[]) =>
      sequence(...parts.flatMap((part, index) => index === 0 ? [part] : [comma(grammar), part]));
    if (Array.isArray(value)) {
      return bracketed(
        grammar,
        ["[", "]"],
        joined(value.map((item) => this.#item(this.#literal(item)))),
      );
    }
    if (typeof value !== "object" || value === null) return text(JSON.stringify(value));
    const entries = Object.entries(value).map(([name, item]) =>
      member(grammar, jsonText(name), this.#literal(item))
    );
    return bracketed(grammar, ["{", "}"], joined(entries));
  }

  #number(
    { isInteger, low, high, multiples, at }: Extract<Branch, { type: "number" }>,
  ): Expression {
    const range = { low, high };
    const places = multiples.map((divisor) => -Math.log10(divisor));
    // 0.01 says how many digits there may be.
    const isDigits = places.every((count) => count > 0 && Number.isInteger(count));
    if (multiples.length === 0 || isDigits) {
      const max = isInteger ? 0 : multiples.length === 0 ? null : Math.min(...places);
      return numberExpression(this.grammar, range, max);
    }
    const exact = multiples.every(Number.isInteger) ? this.#multiples(range, multiples) : null;
    if (exact !== null) return exact;
    this.reader.weaken(at, "multipleOf is not supported for this number or range");
    return numberExpression(this.grammar, range, isInteger ? 0 : null);
  }

  /** Whole numbers that all divisors divide; null: there is no way to write them. */
  #multiples({ low, high }: NumberRange, divisors: readonly number[]): Expression | null {
    const divisor = divisors.reduce((a, b) => a / divisorOf(a, b) * b, 1);
    if (divisor === 1) return numberExpression(this.grammar, { low, high }, 0);
    const ends = [low, high].map((end) => end && valueOf(end.value));
    const [first, last] = ends;
    if (first !== null && last !== null && (last - first) / divisor <= LISTED_COUNT_MAX) {
      const from = Math.ceil(first / divisor);
      const listed = Array.from(
        { length: Math.max(0, Math.floor(last / divisor) - from + 1) },
        (_, index) => (from + index) * divisor + 0,
      ).filter((value) =>
        !(low!.isExclusive && value === first) && !(high!.isExclusive && value === last)
      );
      return choice(...listed.map((value) => text(String(toWhole(value)))));
    }
    const isSign = (end: number | null) => end === null || end === 0;
    if (!ends.every(isSign) || divisor > DIVISOR_MAX) return null;
    if (low?.isExclusive || high?.isExclusive) return null;
    const signs = { hasNegative: first === null, hasPositive: last === null };
    return multiplesExpression(this.grammar, divisor, signs);
  }

  #array({ prefix, rest, min, max }: Extract<Branch, { type: "array" }>): Expression {
    const { grammar } = this;
    if (max !== null && max < min) return choice();
    const separator = comma(grammar);
    const item = () => this.#item(this.value(rest));
    const count = max === null ? prefix.length : Math.min(prefix.length, max);
    const from = (index: number): Expression => {
      const lead = index === 0 ? EMPTY : separator;
      if (index < count) {
        const some = sequence(lead, this.#item(this.value(prefix[index])), from(index + 1));
        return index < min ? some : optional(some);
      }
      const least = Math.max(0, min - index);
      const most = max === null ? null : max - index;
      if (most === 0) return EMPTY;
      const next = countedOf(this.#part(sequence(separator, item())));
      if (index > 0) return counted(grammar, next, { min: least, max: most });
      const more = counted(grammar, next, {
        min: Math.max(0, least - 1),
        max: most === null ? null : most - 1,
      });
      return least === 0 ? optional(sequence(item(), more)) : sequence(item(), more);
    };
    return bracketed(grammar, ["[", "]"], from(0));
  }

  /** With the space behind it. */
  #item(value: Expression): Expression {
    return sequence(value, space(this.grammar));
  }

  /** As a rule of its own, since the library writes small counts out. */
  #part(expression: Expression): Expression {
    return this.grammar.shared("item", JSON.stringify(expression), () => expression);
  }
}

function divisorOf(a: number, b: number): number {
  return b === 0 ? a : divisorOf(b, a % b);
}

function valueOf({ isNegative, whole, fraction }: ReturnType<typeof toDecimal>): number {
  return Number(`${isNegative ? "-" : ""}${whole}.${fraction.join("") || "0"}`);
}

function toWhole(value: number): bigint {
  return BigInt(value);
}
