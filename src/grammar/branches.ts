/**
 * The normal form of a schema: alternatives of one type each, with all that must hold of a value of
 * that type in one place.
 *
 * @module
 */

import { formatPattern } from "./formats.ts";
import { type Bound, compare, toDecimal } from "./numbers.ts";
import { matches } from "./pattern.ts";

/** A schema at a place of the document, found again by its number. */
export interface Place {
  id: number;
  schema: unknown;
  /** JSON pointer, for messages. */
  at: string;
}

/** Schemas that must all hold; none: anything. */
export type Sub = readonly Place[];

/** What one schema says of the members of an object. */
export interface Members {
  properties: ReadonlyMap<string, Place>;
  patterns: readonly { pattern: string; place: Place }[];
  /** Of names that are in neither; null: not said. */
  others: Place | null;
}

/** Values of one type. */
export type Branch =
  | { type: "literals"; values: readonly unknown[] }
  | { type: "null" }
  | { type: "boolean" }
  | {
    type: "number";
    isInteger: boolean;
    low: Bound;
    high: Bound;
    multiples: readonly number[];
    at: string;
  }
  | {
    type: "string";
    min: number;
    max: number | null;
    patterns: readonly string[];
    formats: readonly string[];
    at: string;
  }
  | {
    type: "array";
    prefix: readonly Sub[];
    rest: Sub;
    min: number;
    max: number | null;
    at: string;
  }
  | {
    type: "object";
    members: readonly Members[];
    required: readonly string[];
    names: Sub;
    min: number;
    max: number | null;
    at: string;
  };

type Of<T extends Branch["type"]> = Extract<Branch, { type: T }>;

const largest = (a: number, b: number) => Math.max(a, b);
const smallest = (a: number | null, b: number | null) =>
  a === null ? b : b === null ? a : Math.min(a, b);
const all = <T>(a: readonly T[], b: readonly T[]): T[] => [...new Set([...a, ...b])];

/** The narrower of two ends: `direction` 1 for low ones, -1 for high ones. */
function narrower(a: Bound, b: Bound, direction: 1 | -1): Bound {
  if (a === null || b === null) return a ?? b;
  const order = compare(a.value, b.value) * direction;
  if (order === 0) return a.isExclusive ? a : b;
  return order > 0 ? a : b;
}

/** Values of one name in all schemas that say something of it; null: it is forbidden. */
export function memberSub(members: readonly Members[], name: string): Sub {
  return all(
    members.flatMap(({ properties, patterns, others }) => {
      const own = properties.get(name);
      const found = patterns.filter(({ pattern }) => matches(pattern, name));
      const places = [...(own ? [own] : []), ...found.map(({ place }) => place)];
      return places.length === 0 && others !== null ? [others] : places;
    }),
    [],
  );
}

/** The intersection of both; null if it is empty. The caller tries literals itself. */
export function intersect(a: Branch, b: Branch): Branch | null {
  switch (a.type) {
    case "number": {
      const other = b as Of<"number">;
      return {
        type: "number",
        isInteger: a.isInteger || other.isInteger,
        low: narrower(a.low, other.low, 1),
        high: narrower(a.high, other.high, -1),
        multiples: all(a.multiples, other.multiples),
        at: a.at,
      };
    }
    case "string": {
      const other = b as Of<"string">;
      return {
        type: "string",
        min: largest(a.min, other.min),
        max: smallest(a.max, other.max),
        patterns: all(a.patterns, other.patterns),
        formats: all(a.formats, other.formats),
        at: a.at,
      };
    }
    case "array": {
      const other = b as Of<"array">;
      const length = largest(a.prefix.length, other.prefix.length);
      const at = (array: Of<"array">, index: number) => array.prefix[index] ?? array.rest;
      return {
        type: "array",
        prefix: Array.from({ length }, (_, index) => all(at(a, index), at(other, index))),
        rest: all(a.rest, other.rest),
        min: largest(a.min, other.min),
        max: smallest(a.max, other.max),
        at: a.at,
      };
    }
    case "object": {
      const other = b as Of<"object">;
      return {
        type: "object",
        members: all(a.members, other.members),
        required: all(a.required, other.required),
        names: all(a.names, other.names),
        min: largest(a.min, other.min),
        max: smallest(a.max, other.max),
        at: a.at,
      };
    }
    default:
      return a;
  }
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function isWithin(size: number, { min, max }: { min: number; max: number | null }): boolean {
  return size >= min && (max === null || size <= max);
}

function isMultiple(value: number, divisor: number): boolean {
  const quotient = value / divisor;
  return Math.abs(quotient - Math.round(quotient)) < 1e-9 * Math.max(1, Math.abs(quotient));
}

function isInRange(value: number, { low, high }: Of<"number">): boolean {
  const own = toDecimal(value);
  const below = low === null ? 1 : compare(own, low.value);
  const above = high === null ? -1 : compare(own, high.value);
  return (below > 0 || (below === 0 && !low!.isExclusive)) &&
    (above < 0 || (above === 0 && !high!.isExclusive));
}

/** Whether two JSON values are the same. */
export function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) =>
    Object.hasOwn(b, name) &&
    isSame((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name])
  );
}

/**
 * Whether a value belongs to a branch.
 *
 * @param isValid Whether a value belongs to what is inside.
 */
export function accepts(
  branch: Branch,
  value: unknown,
  isValid: (sub: Sub, value: unknown) => boolean,
): boolean {
  if (branch.type === "literals") return branch.values.some((each) => isSame(each, value));
  if (typeOf(value) !== branch.type) return false;
  switch (branch.type) {
    case "number": {
      const number = value as number;
      return (!branch.isInteger || Number.isInteger(number)) && isInRange(number, branch) &&
        branch.multiples.every((divisor) => isMultiple(number, divisor));
    }
    case "string": {
      const string = value as string;
      return isWithin([...string].length, branch) &&
        branch.patterns.every((pattern) => matches(pattern, string)) &&
        branch.formats.every((format) => matches(formatPattern(format)!, string));
    }
    case "array": {
      const items = value as unknown[];
      return isWithin(items.length, branch) &&
        items.every((item, index) => isValid(branch.prefix[index] ?? branch.rest, item));
    }
    case "object": {
      const entries = Object.entries(value as Record<string, unknown>);
      return isWithin(entries.length, branch) &&
        branch.required.every((name) => Object.hasOwn(value as object, name)) &&
        entries.every(([name, item]) =>
          isValid(branch.names, name) && isValid(memberSub(branch.members, name), item)
        );
    }
    default:
      return true;
  }
}
