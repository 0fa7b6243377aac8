/**
 * What the keywords of one schema say, each for the type it bears on.
 *
 * @module
 */

import type { Branch, Members, Place, Sub } from "./branches.ts";
import { FORMAT_NAMES, formatPattern } from "./formats.ts";
import { TYPES } from "./keywords.ts";
import { type Bound, compare, toDecimal } from "./numbers.ts";
import { patternTerms } from "./pattern.ts";
import { isObject } from "./references.ts";

type Schema = Record<string, unknown>;

/** What is needed of the reader of the whole document. */
interface Owner {
  readonly isStrict: boolean;
  weaken(at: string, state: string): void;
  count(parts: number, at: string): boolean;
  place(schema: unknown, at: string, parent: Place | null): Place;
  readonly anything: Place;
}

const COUNT_MAX = 1_000_000;

/** Reads the keywords of one schema. */
export class KeywordReader {
  readonly #owner: Owner;
  readonly #place: Place;
  readonly #schema: Schema;

  constructor(owner: Owner, place: Place, schema: Schema) {
    this.#owner = owner;
    this.#place = place;
    this.#schema = schema;
  }

  /** Alternatives by type, without keywords that hold other schemas for the same value. */
  own(): Branch[] {
    const types = this.#types();
    const branches: Branch[] = [];
    if (types.has("null")) branches.push({ type: "null" });
    if (types.has("boolean")) branches.push({ type: "boolean" });
    const { at } = this.#place;
    if (types.has("number") || types.has("integer")) {
      const isInteger = !types.has("number");
      branches.push({
        type: "number",
        isInteger,
        ...this.#range(),
        multiples: this.#multiples(),
        at,
      });
    }
    if (types.has("string")) branches.push(this.#string());
    if (types.has("array")) branches.push(this.#array());
    if (types.has("object")) branches.push(this.#object());
    return branches;
  }

  /** Values of `enum` or `const`. */
  literals(keyword: "enum" | "const"): Branch[] | null {
    const value = this.#schema[keyword];
    if (value === undefined) return null;
    const at = this.#at(keyword);
    const values = keyword === "const" ? [value] : value;
    if (!Array.isArray(values) || (values.length === 0)) {
      this.#owner.weaken(at, "a list of values is wanted");
      return null;
    }
    if (!this.#owner.count(values.length, at)) return null;
    const isNullable = !this.#owner.isStrict && this.#schema.nullable === true;
    return [{ type: "literals", values: isNullable ? [...values, null] : values }];
  }

  /** Schemas of `allOf`, `anyOf` or `oneOf`. */
  list(keyword: string): Place[] {
    const value = this.#schema[keyword];
    if (value === undefined) return [];
    if (Array.isArray(value) && value.length > 0) {
      return value.map((each, index) => this.#sub(each, `${keyword}/${index}`));
    }
    this.#owner.weaken(this.#at(keyword), "a list of schemas is wanted");
    return [];
  }

  /** The same with what no schema has spoken of left out, if that is wanted. */
  sealed(branches: readonly Branch[]): readonly Branch[] {
    const { unevaluatedProperties, unevaluatedItems } = this.#schema;
    const isOpen = (value: unknown) => value === undefined || value === true;
    if (isOpen(unevaluatedProperties) && isOpen(unevaluatedItems)) return branches;
    return branches.map((branch): Branch => {
      if (branch.type === "object" && !isOpen(unevaluatedProperties)) {
        const { members } = branch;
        if (members.some(({ others }) => others !== null)) return branch;
        const { anything } = this.#owner;
        const names = members.flatMap(({ properties }) => [...properties.keys()]);
        const sealing: Members = {
          properties: new Map(names.map((name) => [name, anything])),
          patterns: members.flatMap(({ patterns }) =>
            patterns.map(({ pattern }) => ({ pattern, place: anything }))
          ),
          others: this.#sub(unevaluatedProperties, "unevaluatedProperties"),
        };
        return { ...branch, members: [...members, sealing] };
      }
      if (branch.type === "array" && !isOpen(unevaluatedItems) && branch.rest.length === 0) {
        return { ...branch, rest: [this.#sub(unevaluatedItems, "unevaluatedItems")] };
      }
      return branch;
    });
  }

  #at(keyword: string): string {
    return `${this.#place.at}/${keyword}`;
  }

  #sub(schema: unknown, path: string): Place {
    return this.#owner.place(schema, this.#at(path), this.#place);
  }

  #types(): Set<string> {
    const { type, nullable } = this.#schema;
    if (type === undefined) return new Set(TYPES);
    const types = [type].flat();
    const wrong = types.find((each) => !TYPES.includes(each as string));
    if (wrong !== undefined) {
      this.#owner.weaken(this.#at("type"), `there is no type ${JSON.stringify(wrong)}`);
      return new Set(TYPES);
    }
    const isNullable = !this.#owner.isStrict && nullable === true;
    return new Set([...types as string[], ...(isNullable ? ["null"] : [])]);
  }

  /** A number of things; null if it is not said. */
  #count(keyword: string): number | null {
    const value = this.#schema[keyword];
    if (value === undefined) return null;
    if (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= COUNT_MAX) {
      return Number(value);
    }
    this.#owner.weaken(this.#at(keyword), `an integer from 0 to ${COUNT_MAX} is wanted`);
    return null;
  }

  #counts(kind: "Length" | "Items" | "Properties"): { min: number; max: number | null } {
    const min = this.#count(`min${kind}`) ?? 0;
    const max = this.#count(`max${kind}`);
    if (max === null || min <= max) return { min, max };
    this.#owner.weaken(this.#place.at, `min${kind} is larger than max${kind}`);
    return { min, max: null };
  }

  #bound(keyword: string): number | null {
    const value = this.#schema[keyword];
    if (value === undefined || (typeof value === "boolean" && keyword.startsWith("exclusive"))) {
      // As of draft 4, where it is about the bound beside it.
      if (value !== undefined && this.#owner.isStrict) {
        this.#owner.weaken(this.#at(keyword), "a number is wanted");
      }
      return null;
    }
    if (Number.isFinite(value)) return value as number;
    this.#owner.weaken(this.#at(keyword), "a number is wanted");
    return null;
  }

  #end(open: string, exclusive: string, direction: 1 | -1): Bound {
    const [inner, outer] = [this.#bound(open), this.#bound(exclusive)];
    const isExclusive = this.#schema[exclusive] === true;
    const ends = [
      ...(inner === null ? [] : [{ value: toDecimal(inner), isExclusive }]),
      ...(outer === null ? [] : [{ value: toDecimal(outer), isExclusive: true }]),
    ];
    if (ends.length < 2) return ends[0] ?? null;
    return compare(ends[0].value, ends[1].value) * direction > 0 ? ends[0] : ends[1];
  }

  #range(): { low: Bound; high: Bound } {
    const low = this.#end("minimum", "exclusiveMinimum", 1);
    const high = this.#end("maximum", "exclusiveMaximum", -1);
    if (low && high && compare(low.value, high.value) > 0) {
      this.#owner.weaken(this.#place.at, "minimum is larger than maximum");
      return { low: null, high: null };
    }
    return { low, high };
  }

  #multiples(): number[] {
    const { multipleOf } = this.#schema;
    if (multipleOf === undefined) return [];
    if (Number.isFinite(multipleOf) && Number(multipleOf) > 0) return [Number(multipleOf)];
    this.#owner.weaken(this.#at("multipleOf"), "a number above zero is wanted");
    return [];
  }

  #string(): Branch {
    const { pattern, format } = this.#schema;
    return {
      type: "string",
      ...this.#counts("Length"),
      patterns: pattern === undefined ? [] : this.#pattern(pattern, this.#at("pattern")),
      formats: format === undefined ? [] : this.#format(format),
      at: this.#place.at,
    };
  }

  #pattern(pattern: unknown, at: string): string[] {
    if (typeof pattern !== "string") {
      this.#owner.weaken(at, "a string is wanted");
      return [];
    }
    try {
      patternTerms(pattern, (state) => this.#owner.weaken(at, state));
      return [pattern];
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#owner.weaken(at, error.message);
      return [];
    }
  }

  #format(format: unknown): string[] {
    if (typeof format === "string" && formatPattern(format) !== undefined) return [format];
    this.#owner.weaken(this.#at("format"), `it is not one of ${FORMAT_NAMES.join(", ")}`);
    return [];
  }

  #array(): Branch {
    const { items, prefixItems, additionalItems, uniqueItems } = this.#schema;
    const listed = prefixItems ?? (Array.isArray(items) ? items : undefined);
    const prefixName = prefixItems === undefined ? "items" : "prefixItems";
    if (listed !== undefined && !Array.isArray(listed)) {
      this.#owner.weaken(this.#at("prefixItems"), "a list of schemas is wanted");
    }
    const prefix = Array.isArray(listed)
      ? listed.map((each, index): Sub => [this.#sub(each, `${prefixName}/${index}`)])
      : [];
    const [rest, restName] = Array.isArray(items)
      ? [additionalItems, "additionalItems"]
      : [items, "items"];
    const counts = this.#counts("Items");
    if (uniqueItems === true && (counts.max === null || counts.max > 1)) {
      this.#owner.weaken(this.#at("uniqueItems"), "a grammar cannot compare items");
    }
    return {
      type: "array",
      prefix,
      rest: rest === undefined ? [] : [this.#sub(rest, restName)],
      ...counts,
      at: this.#place.at,
    };
  }

  #object(): Branch {
    const { required, propertyNames, additionalProperties: others } = this.#schema;
    const names = required === undefined || typeof required === "boolean" ? [] : required;
    const isList = Array.isArray(names) && names.every((name) => typeof name === "string");
    if (!isList || typeof required === "boolean") {
      this.#owner.weaken(this.#at("required"), "a list of names is wanted");
    }
    const properties = this.#named("properties");
    const patterns = this.#named("patternProperties").filter(([pattern, place]) =>
      this.#pattern(pattern, place.at).length > 0
    );
    const isSilent = properties.length + patterns.length === 0 && others === undefined;
    const members: Members = {
      properties: new Map(properties),
      patterns: patterns.map(([pattern, place]) => ({ pattern, place })),
      others: others === undefined ? null : this.#sub(others, "additionalProperties"),
    };
    return {
      type: "object",
      members: isSilent && this.#schema.properties === undefined ? [] : [members],
      required: isList ? [...new Set(names as string[])] : [],
      names: propertyNames === undefined ? [] : [this.#sub(propertyNames, "propertyNames")],
      ...this.#counts("Properties"),
      at: this.#place.at,
    };
  }

  #named(keyword: string): [string, Place][] {
    const value = this.#schema[keyword];
    if (value === undefined) return [];
    if (isObject(value)) {
      return Object.entries(value).map(([name, schema]) => {
        const path = name.replaceAll("~", "~0").replaceAll("/", "~1");
        return [name, this.#sub(schema, `${keyword}/${path}`)];
      });
    }
    this.#owner.weaken(this.#at(keyword), "an object of schemas is wanted");
    return [];
  }
}
