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
import type { MemberMarks } from "./types.ts";
import { unless } from "./unless.ts";

type Schema = Readonly<Record<string, unknown>>;

/** White space between marks. */
const SPACE = repeat({ kind: "bytes", ranges: [[9, 10], [32, 32]] }, 0, 16);
/** What a mark may say of a key behind its quotation mark; no angle brackets. */
const ATTRIBUTES = repeat({ kind: "bytes", ranges: [[32, 59], [61, 61], [63, 126]] }, 0, 40);
/** A name that the schema does not list. */
const OTHER_KEY = repeat({ kind: "bytes", ranges: [[35, 59], [61, 61], [63, 126]] }, 1, 64);
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
    const members = Object.entries(isSchema(properties) ? properties : {}).map(
      ([key, each], index) => {
        const whole = { schema: isSchema(each) ? each : {}, documents };
        const member = this.#member(text(key), this.#value(whole, `${stem}m${index}`));
        return needed.includes(key) ? member : optional(member);
      },
    );
    const others = additionalProperties === false
      ? EMPTY
      : repeat(this.#member(OTHER_KEY, this.#free()), 0, null);
    return sequence(...members, others, SPACE);
  }

  #member(key: Expression, value: Expression): Expression {
    const { beforeKey, behindKey, beforeValue } = this.#marks;
    const isOpen = beforeKey.endsWith('"') && !behindKey.startsWith('"');
    const attributes = isOpen ? sequence(text('"'), ATTRIBUTES) : EMPTY;
    const before = beforeValue === "" ? EMPTY : sequence(SPACE, text(beforeValue));
    return sequence(SPACE, text(beforeKey), key, attributes, text(behindKey), before, value);
  }

  /** Any text up to the mark behind it. */
  #free(): Expression {
    const { behindValue } = this.#marks;
    return this.#grammar.shared("free", behindValue, () => unless(this.#grammar, behindValue));
  }

  #value(
    { schema, documents }: { schema: Schema; documents: object },
    stem: string,
  ): Expression {
    const types = typesOf(schema);
    const texts = textsOf(schema);
    const ends = sequence(SPACE, text(this.#marks.behindValue));
    if (texts !== null) return sequence(SPACE, choice(...texts.map(text)), ends);
    if (onlyOf(types, ["boolean"])) return sequence(SPACE, BOOLEANS, ends);
    if (!onlyOf(types, ["integer", "number"]) && !onlyOf(types, ["object", "array"])) {
      return this.#free();
    }
    const json = this.#json(JSON.stringify({ ...documents, allOf: [schema] }), stem);
    return json === null ? this.#free() : sequence(SPACE, json, ends);
  }
}
