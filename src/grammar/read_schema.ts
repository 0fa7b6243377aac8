/**
 * From a JSON schema to its normal form.
 *
 * @module
 */

import { accepts, type Branch, intersect, type Place, type Sub } from "./branches.ts";
import { ANNOTATIONS, FOLLOWED, NOT_FOLLOWED } from "./keywords.ts";
import { mayOverlap } from "./overlap.ts";
import { KeywordReader } from "./read_keywords.ts";
import { isObject, References } from "./references.ts";
import { SchemaRefusal, type Weakening } from "./refusal.ts";

const DEPTH_MAX = 32;
const PART_COUNT_MAX = 2000;
const BRANCH_COUNT_MAX = 256;

const ANY_BRANCHES: readonly Branch[] = [
  { type: "null" },
  { type: "boolean" },
  { type: "number", isInteger: false, low: null, high: null, multiples: [], at: "" },
  { type: "string", min: 0, max: null, patterns: [], formats: [], at: "" },
  { type: "array", prefix: [], rest: [], min: 0, max: null, at: "" },
  { type: "object", members: [], required: [], names: [], min: 0, max: null, at: "" },
];

/** Reads the schemas of one document. */
export class SchemaReader {
  /** Followed exactly, with objects closed that do not say they are open; or else widened. */
  readonly isStrict: boolean;
  /** What was left out so far. */
  readonly weakenings: Weakening[] = [];
  readonly root: Place;
  /** Schemas of every value and of none. */
  readonly anything: Place = { id: -1, schema: true, at: "" };
  readonly nothing: Place = { id: -2, schema: false, at: "" };
  readonly #references: References;
  readonly #places = new Map<object, Place & { depth: number }>();
  readonly #read = new Map<number, readonly Branch[]>();
  readonly #reading = new Set<number>();
  #partCount = 0;
  #nextId = 0;

  constructor(document: unknown, isStrict: boolean) {
    this.isStrict = isStrict;
    this.#references = new References(document);
    this.root = this.place(document, "", null);
  }

  /**
   * Leaves something out, which makes more valid.
   *
   * @throws {SchemaRefusal} If schemas are to be followed exactly.
   */
  weaken(at: string, state: string): void {
    if (this.isStrict) throw new SchemaRefusal({ at, state });
    this.weakenings.push({ at, state });
  }

  /** Counts parts of the document. */
  count(parts: number, at: string): boolean {
    this.#partCount += parts;
    if (this.#partCount <= PART_COUNT_MAX) return true;
    this.weaken(at, `it has over ${PART_COUNT_MAX} parts`);
    return false;
  }

  place(schema: unknown, at: string, parent: Place | null): Place {
    const known = isObject(schema) ? this.#places.get(schema) : undefined;
    if (known) return known;
    const depth = parent && isObject(parent.schema)
      ? this.#places.get(parent.schema)!.depth + 1
      : 0;
    const isDeep = depth > DEPTH_MAX;
    if (isDeep) this.weaken(at, `it is nested more than ${DEPTH_MAX} deep`);
    const held = isDeep || !this.count(1, at) ? true : schema;
    const place = { id: this.#nextId++, schema: held, at, depth };
    if (isObject(schema)) this.#places.set(schema, place);
    return place;
  }

  /** Alternatives of values for which all schemas hold. */
  branches(sub: Sub): readonly Branch[] {
    return sub.reduce<readonly Branch[]>(
      (all, place) => this.#both(all, this.#branchesAt(place), place.at),
      ANY_BRANCHES,
    );
  }

  isValid = (sub: Sub, value: unknown): boolean =>
    sub.every((place) =>
      this.#branchesAt(place).some((branch) => accepts(branch, value, this.isValid))
    );

  #branchesAt(place: Place): readonly Branch[] {
    const known = this.#read.get(place.id);
    if (known) return known;
    if (this.#reading.has(place.id)) {
      this.weaken(place.at, "it refers to itself with nothing between");
      return ANY_BRANCHES;
    }
    this.#reading.add(place.id);
    try {
      const branches = this.#readPlace(place);
      this.#read.set(place.id, branches);
      return branches;
    } finally {
      this.#reading.delete(place.id);
    }
  }

  #readPlace(place: Place): readonly Branch[] {
    const { schema, at } = place;
    if (schema === true) return ANY_BRANCHES;
    if (schema === false) return [];
    if (!isObject(schema)) {
      this.weaken(at, "a schema is an object or a boolean");
      return ANY_BRANCHES;
    }
    for (const keyword of Object.keys(schema)) {
      if (FOLLOWED.has(keyword) || ANNOTATIONS.has(keyword)) continue;
      if (this.isStrict || NOT_FOLLOWED.has(keyword)) {
        this.weaken(`${at}/${keyword}`, `the keyword "${keyword}" is not supported`);
      }
    }
    const reader = new KeywordReader(this, place, schema);
    let branches: readonly Branch[] = reader.own();
    const narrow = (others: readonly Branch[] | null, keyword: string) => {
      if (others !== null) branches = this.#both(branches, others, `${at}/${keyword}`);
    };
    narrow(reader.literals("enum"), "enum");
    narrow(reader.literals("const"), "const");
    narrow(this.#reference(place, schema), "$ref");
    for (const each of reader.list("allOf")) narrow(this.#branchesAt(each), "allOf");
    for (const keyword of ["anyOf", "oneOf"]) {
      const places = reader.list(keyword);
      if (places.length === 0) continue;
      const alternatives = places.map((each) =>
        this.#both(branches, this.#branchesAt(each), each.at)
      );
      if (keyword === "oneOf") this.#checkApart(alternatives, `${at}/oneOf`);
      branches = this.#bounded(alternatives.flat(), branches, `${at}/${keyword}`);
    }
    return reader.sealed(branches);
  }

  #reference(place: Place, schema: Record<string, unknown>): readonly Branch[] | null {
    const { $ref } = schema;
    if ($ref === undefined) return null;
    const at = `${place.at}/$ref`;
    const found = typeof $ref === "string" ? this.#references.find($ref, schema) : undefined;
    if (found !== undefined) return this.#branchesAt(this.place(found, at, place));
    this.weaken(at, `${JSON.stringify($ref)} leads to nothing in this schema`);
    return null;
  }

  /** Alternatives of values that belong to one of each. */
  #both(a: readonly Branch[], b: readonly Branch[], at: string): readonly Branch[] {
    if (a === ANY_BRANCHES) return b;
    if (b === ANY_BRANCHES) return a;
    const accepted = (branch: Branch, values: readonly unknown[]): Branch | null => {
      const kept = values.filter((value) => accepts(branch, value, this.isValid));
      return kept.length === 0 ? null : { type: "literals", values: kept };
    };
    const found = a.flatMap((one) =>
      b.flatMap((other) => {
        const both = one.type === "literals"
          ? accepted(other, one.values)
          : other.type === "literals"
          ? accepted(one, other.values)
          : one.type === other.type
          ? intersect(one, other)
          : null;
        return both === null ? [] : [both];
      })
    );
    return this.#bounded(found, a, at);
  }

  /** The alternatives, each once; `wider` if there are too many. */
  #bounded(found: readonly Branch[], wider: readonly Branch[], at: string): readonly Branch[] {
    const byKey = new Map(found.map((branch) => [keyOf(branch), branch]));
    if (byKey.size <= BRANCH_COUNT_MAX) return [...byKey.values()];
    this.weaken(at, `it combines to over ${BRANCH_COUNT_MAX} alternatives`);
    return wider;
  }

  /** A grammar cannot count how many of its alternatives hold. */
  #checkApart(alternatives: readonly (readonly Branch[])[], at: string): void {
    for (let first = 0; first < alternatives.length; first++) {
      for (let second = first + 1; second < alternatives.length; second++) {
        const pair = [alternatives[first], alternatives[second]] as const;
        if (!mayOverlap(this, ...pair, (a, b) => this.#both(a, b, at))) continue;
        const state = `schemas ${first} and ${second} may hold for the same value; use anyOf`;
        return this.weaken(at, state);
      }
    }
  }
}

/** The same for branches that say the same. */
function keyOf(branch: Branch): string {
  if (branch.type === "literals") return `literals ${JSON.stringify(branch.values)}`;
  return JSON.stringify(branch, (key, value) => {
    if (typeof value === "bigint") return String(value);
    if (value instanceof Map) return [...value];
    if (key === "at") return undefined;
    return isObject(value) && "schema" in value && "id" in value ? value.id : value;
  });
}
