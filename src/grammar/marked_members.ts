/**
 * Objects whose members stand in marks, one by one, instead of JSON: a string as it is, up to the
 * mark behind it, other values as JSON.
 *
 * @module
 */

import {
  choice,
  EMPTY,
  type Expression,
  type Grammar,
  optional,
  repeat,
  sequence,
  text,
} from "./expression.ts";
import { otherKey } from "./other_keys.ts";
import type { MemberMarks } from "./types.ts";
import { unless } from "./unless.ts";

type Schema = Readonly<Record<string, unknown>>;

/** White space between marks. */
const SPACE = repeat({ kind: "bytes", ranges: [[9, 10], [32, 32]] }, 0, 16);
/** What a mark may say of a key behind its quotation mark; no angle brackets. */
export const ATTRIBUTES = repeat({ kind: "bytes", ranges: [[32, 59], [61, 61], [63, 126]] }, 0, 40);
/** Stands for the name of a member in the mark behind its value. */
const KEY = "{key}";
/** The name of each element of a list. */
const ITEM = "item";
/** As JSON and as Python write them. */
const BOOLEANS = choice(...["true", "false", "True", "False"].map(text));

const isSchema = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Types that a schema names; none if it does not say. */
function typesOf({ type }: Schema): string[] {
  return typeof type === "string" ? [type] : Array.isArray(type) ? type.map(String) : [];
}

/** The texts that are all a value may be; null if it may be anything else. */
function textsOf({ enum: values, const: value }: Schema): string[] | null {
  const all = Array.isArray(values) ? values : value === undefined ? [] : [value];
  return all.length > 0 && all.every((each) => typeof each === "string") ? all : null;
}

const onlyOf = (types: readonly string[], known: readonly string[]) =>
  types.length > 0 && types.every((type) => known.includes(type));

/** Writes objects of a form. */
export class MemberWriter {
  readonly #grammar: Grammar;
  readonly #marks: MemberMarks;
  readonly #json: (schema: string, stem: string) => Expression | null;

  /** @param json Writes values of a schema as JSON; null for one that no grammar can hold. */
  constructor(
    grammar: Grammar,
    marks: MemberMarks,
    json: (schema: string, stem: string) => Expression | null,
  ) {
    this.#grammar = grammar;
    this.#marks = marks;
    this.#json = json;
  }

  /** The members of an object of a schema: those that it lists in its order, then others. */
  object(schema: Schema, stem: string): Expression {
    const { properties, required, additionalProperties, $defs, definitions } = schema;
    const needed = Array.isArray(required) ? required : [];
    const documents = { ...$defs ? { $defs } : {}, ...definitions ? { definitions } : {} };
    const known = isSchema(properties) ? properties : {};
    const members = Object.entries(known).map(
      ([key, each], index) => {
        const whole = { schema: isSchema(each) ? each : {}, documents };
        const value = this.#value(whole, { stem: `${stem}m${index}`, key });
        const member = this.#member(text(key), value);
        return needed.includes(key) ? member : optional(member);
      },
    );
    const others = additionalProperties === false
      ? EMPTY
      : repeat(this.#other(Object.keys(known)), 0, null);
    return sequence(...members, others, SPACE);
  }

  #member(key: Expression, value: Expression): Expression {
    const { beforeKey, behindKey, beforeValue } = this.#marks;
    const isOpen = beforeKey.endsWith('"') && !behindKey.startsWith('"');
    const attributes = isOpen ? sequence(text('"'), ATTRIBUTES) : EMPTY;
    const before = beforeValue === "" ? EMPTY : sequence(SPACE, text(beforeValue));
    return sequence(SPACE, text(beforeKey), key, attributes, text(behindKey), before, value);
  }

  /** Whether objects and lists stand in marks too. */
  get #isNested(): boolean {
    return this.#marks.behindValue.includes(KEY);
  }

  /** A member that the schema does not list. */
  #other(names: readonly string[]): Expression {
    const value = this.#isNested ? this.#anything() : this.#free("");
    return this.#member(otherKey(this.#grammar, names), value);
  }

  /** A text, or elements in elements, and the mark behind them, whatever its name. */
  #anything(): Expression {
    const { beforeKey, behindKey, behindValue } = this.#marks;
    // What marks begin with, and what is behind that.
    const sign = beforeKey.slice(0, -1);
    const [open, close] = [beforeKey, behindValue.split(KEY)[0]].map((mark) => {
      return text(mark.slice(sign.length));
    });
    return this.#grammar.shared("element", sign, (self) => {
      const key = otherKey(this.#grammar, []);
      const inner = sequence(open, key, text(behindKey), self, SPACE, text(sign));
      const end = sequence(close, key, text(behindKey));
      return sequence(unless(this.#grammar, sign), repeat(inner, 0, null), end);
    });
  }

  #behind(key: string): string {
    return this.#marks.behindValue.replace(KEY, () => key);
  }

  /** Elements of a list. */
  #list({ items }: Schema, { documents, stem }: { documents: object; stem: string }): Expression {
    const schema = isSchema(items) ? items : {};
    const value = this.#value({ schema, documents }, { stem: `${stem}i`, key: ITEM });
    return sequence(repeat(this.#member(text(ITEM), value), 0, null), SPACE);
  }

  /** Any text up to the mark behind it. */
  #free(key: string): Expression {
    const behindValue = this.#behind(key);
    return this.#grammar.shared("free", behindValue, () => unless(this.#grammar, behindValue));
  }

  #value(
    { schema, documents }: { schema: Schema; documents: object },
    { stem, key }: { stem: string; key: string },
  ): Expression {
    const types = typesOf(schema);
    const texts = textsOf(schema);
    const end = text(this.#behind(key));
    const ends = sequence(SPACE, end);
    if (texts !== null) return sequence(SPACE, choice(...texts.map(text)), ends);
    if (onlyOf(types, ["boolean"])) return sequence(SPACE, BOOLEANS, ends);
    if (this.#isNested && onlyOf(types, ["object"])) {
      return sequence(this.object({ ...documents, ...schema }, stem), end);
    }
    if (this.#isNested && onlyOf(types, ["array"])) {
      return sequence(this.#list(schema, { documents, stem }), end);
    }
    if (!onlyOf(types, ["integer", "number"]) && !onlyOf(types, ["object", "array"])) {
      return this.#free(key);
    }
    const json = this.#json(JSON.stringify({ ...documents, allOf: [schema] }), stem);
    return json === null ? this.#free(key) : sequence(SPACE, json, ends);
  }
}
