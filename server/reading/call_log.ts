/**
 * The calls of one answer: their numbers, ids, and what their arguments may be.
 *
 * @module
 */

import type { Part } from "./parts.ts";

/** What a reader knows of a function. */
export interface KnownFunction {
  name: string;
  /** JSON schema of its arguments. */
  parameters: Record<string, unknown>;
}

type Schema = Record<string, unknown>;

/** Types of JSON Schema that a schema allows; null if it does not say. */
function typesOf(schema: Schema | undefined): Set<string> | null {
  if (typeof schema !== "object" || schema === null) return null;
  const { type, enum: values, const: value } = schema;
  if (typeof type === "string") return new Set([type]);
  if (Array.isArray(type)) return new Set(type.map(String));
  if (value !== undefined) return new Set([typeOf(value)]);
  if (Array.isArray(values)) return new Set(values.map(typeOf));
  const branches = schema.anyOf ?? schema.oneOf;
  if (!Array.isArray(branches)) return null;
  const each = branches.map((branch) => typesOf(branch as Schema));
  if (each.some((types) => types === null)) return null;
  return new Set(each.flatMap((types) => [...types!]));
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value;
}

/** Counts calls and names them. */
export class CallLog {
  readonly #functions: ReadonlyMap<string, KnownFunction>;
  readonly #idLength: number | null;
  #count = 0;

  /** @param idLength Characters of an id, all of them letters and digits; null for `call_…`. */
  constructor(functions: readonly KnownFunction[], idLength: number | null = null) {
    this.#functions = new Map(functions.map((each) => [each.name, each]));
    this.#idLength = idLength;
  }

  get count(): number {
    return this.#count;
  }

  /** A call begins; one that the model gave no id gets one. */
  begin(name: string, id: string | null = null): Part {
    const callIndex = this.#count++;
    return { type: "call", callIndex, id: id || this.#newId(), name };
  }

  /** Arguments of the last call. */
  readonly say = function* (this: CallLog, text: string): Generator<Part> {
    yield { type: "arguments", callIndex: this.#count - 1, text };
  }.bind(this);

  /** Types that an argument may have; null if nothing is known. */
  typesOf(name: string, key: string): Set<string> | null {
    const properties = this.#functions.get(name)?.parameters.properties as
      | Record<string, Schema>
      | undefined;
    return typesOf(properties?.[key]);
  }

  #newId(): string {
    const digits = crypto.randomUUID().replaceAll("-", "");
    return this.#idLength === null
      ? `call_${digits.slice(0, 24)}`
      : digits.slice(0, this.#idLength);
  }
}
