/**
 * JSON schemas as the grammar library can follow them. Keywords that it would ignore are refused,
 * and so is what is too large: a schema comes from a client.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { jsonStringPattern, lengthPattern } from "./pattern.ts";

const SIZE_MAX = 65_536;
const DEPTH_MAX = 16;
const NODE_COUNT_MAX = 2000;
const REPEAT_COUNT_MAX = 256;
const RANGE_COUNT_MAX = 1000;

/** Keywords that say nothing about what is valid. */
const ANNOTATIONS = new Set([
  "$schema",
  "$id",
  "$comment",
  "title",
  "description",
  "default",
  "examples",
  "deprecated",
  "readOnly",
  "writeOnly",
]);

const KEYWORDS = new Set([
  "type",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "prefixItems",
  "minItems",
  "maxItems",
  "enum",
  "const",
  "anyOf",
  "oneOf",
  "allOf",
  "$ref",
  "$defs",
  "definitions",
  "minLength",
  "maxLength",
  "pattern",
  "format",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
]);

const FORMATS = new Set(["date", "time", "date-time", "duration", "email", "uuid", "ipv4", "ipv6"]);
const TYPES = new Set(["object", "array", "string", "number", "integer", "boolean", "null"]);

type Schema = Record<string, unknown>;

function refuse(at: string, state: string): EngineError {
  const message = `Cannot follow the schema at ${at || "/"}: ${state}`;
  return new EngineError("invalid_request", message, { param: "grammar" });
}

function isObject(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

class Normaliser {
  #nodeCount = 0;

  schema(value: unknown, at: string, depth: number): unknown {
    if (typeof value === "boolean") {
      if (value) return {};
      throw refuse(at, "false allows nothing");
    }
    if (!isObject(value)) throw refuse(at, "a schema is an object");
    if (depth > DEPTH_MAX) throw refuse(at, `it is nested more than ${DEPTH_MAX} deep`);
    this.#count(1, at);
    const result: Schema = {};
    for (const [keyword, item] of Object.entries(value)) {
      if (ANNOTATIONS.has(keyword)) continue;
      if (!KEYWORDS.has(keyword)) throw refuse(at, `the keyword "${keyword}" is not supported`);
      result[keyword] = this.#keyword(keyword, item, { at: `${at}/${keyword}`, depth });
    }
    return this.#string(this.#range(this.#checkRanges(result, at), at), at);
  }

  #count(partCount: number, at: string): void {
    this.#nodeCount += partCount;
    if (this.#nodeCount > NODE_COUNT_MAX) throw refuse(at, `it has over ${NODE_COUNT_MAX} parts`);
  }

  #keyword(keyword: string, item: unknown, place: { at: string; depth: number }): unknown {
    const { at, depth } = place;
    switch (keyword) {
      case "properties":
      case "$defs":
      case "definitions":
        if (!isObject(item)) throw refuse(at, "an object of schemas is wanted");
        return Object.fromEntries(
          Object.entries(item).map(([name, each]) => {
            return [name, this.schema(each, `${at}/${name}`, depth + 1)];
          }),
        );
      case "additionalProperties":
        return typeof item === "boolean" ? item : this.schema(item, at, depth + 1);
      case "items":
        return item === false ? false : this.schema(item, at, depth + 1);
      case "anyOf":
      case "oneOf":
      case "allOf":
      case "prefixItems":
        return this.#list(keyword, item, place);
      case "type":
        return this.#type(item, at);
      case "enum":
        if (!Array.isArray(item) || item.length === 0) throw refuse(at, "a list is wanted");
        this.#count(item.length, at);
        return item;
      case "minItems":
      case "maxItems":
      case "minLength":
      case "maxLength":
        if (Number.isInteger(item) && Number(item) >= 0 && Number(item) <= REPEAT_COUNT_MAX) {
          return item;
        }
        throw refuse(at, `an integer from 0 to ${REPEAT_COUNT_MAX} is wanted`);
      default:
        return item;
    }
  }

  #list(keyword: string, item: unknown, { at, depth }: { at: string; depth: number }): unknown {
    if (!Array.isArray(item) || item.length === 0) throw refuse(at, "a list of schemas is wanted");
    if (keyword === "allOf" && item.length > 1) throw refuse(at, "it has more than one schema");
    return item.map((each, index) => this.schema(each, `${at}/${index}`, depth + 1));
  }

  #type(item: unknown, at: string): unknown {
    const wrong = [item].flat().find((type) => !TYPES.has(type as string));
    if (wrong === undefined) return item;
    throw refuse(at, `there is no type ${JSON.stringify(wrong)}`);
  }

  #checkRanges(schema: Schema, at: string): Schema {
    const pairs = [["minItems", "maxItems"], ["minLength", "maxLength"], ["minimum", "maximum"]];
    for (const [low, high] of pairs) {
      if (Number(schema[low] ?? -Infinity) > Number(schema[high] ?? Infinity)) {
        throw refuse(at, `${low} is larger than ${high}`);
      }
    }
    return schema;
  }

  /**
   * A range of integers becomes a list of them: the library takes 121 for less than 120. It is
   * right about bounds at zero.
   */
  #range(schema: Schema, at: string): Schema {
    const { minimum, exclusiveMinimum, maximum, exclusiveMaximum, ...rest } = schema;
    const bounds = { minimum, exclusiveMinimum, maximum, exclusiveMaximum };
    const given = Object.entries(bounds).filter(([, value]) => value !== undefined);
    if (given.length === 0) return schema;
    const wrong = given.find(([, value]) => !Number.isFinite(value));
    if (wrong) throw refuse(`${at}/${wrong[0]}`, "a number is wanted");
    const low = Math.max(
      Math.ceil(Number(minimum ?? -Infinity)),
      Math.floor(Number(exclusiveMinimum ?? -Infinity)) + 1,
    );
    const high = Math.min(
      Math.floor(Number(maximum ?? Infinity)),
      Math.ceil(Number(exclusiveMaximum ?? Infinity)) - 1,
    );
    if (schema.type === "integer" && high - low < RANGE_COUNT_MAX) {
      if (high < low) throw refuse(at, "its range holds no integer");
      const { type: _, ...others } = rest;
      return { ...others, enum: Array.from({ length: high - low + 1 }, (_, i) => low + i) };
    }
    const isFromZero = high === Infinity && (low === 0 || low === 1);
    if (schema.type === "integer" && isFromZero) return { ...rest, minimum: low };
    if (schema.type === "number" && given.length === 1 && minimum === 0) {
      return { ...rest, minimum };
    }
    throw refuse(
      at,
      `ranges are supported for integers, up to ${RANGE_COUNT_MAX} of them or from 0 or 1 on`,
    );
  }

  /** Lengths become a pattern, and a pattern one that a JSON string can hold as it is. */
  #string(schema: Schema, at: string): Schema {
    const { minLength, maxLength, pattern, format, ...rest } = schema;
    const hasLength = minLength !== undefined || maxLength !== undefined;
    if ([hasLength, pattern !== undefined, format !== undefined].filter(Boolean).length > 1) {
      throw refuse(at, "length, pattern and format cannot be combined");
    }
    if (format !== undefined && !FORMATS.has(format as string)) {
      throw refuse(`${at}/format`, `it is not one of ${[...FORMATS].join(", ")}`);
    }
    if (format !== undefined) return { ...rest, format };
    if (hasLength) {
      const max = maxLength === undefined ? null : Number(maxLength);
      return { ...rest, pattern: lengthPattern(Number(minLength ?? 0), max) };
    }
    if (pattern === undefined) return rest;
    try {
      return { ...rest, pattern: jsonStringPattern(String(pattern)) };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw refuse(`${at}/pattern`, error.message);
    }
  }
}

/**
 * Checks a schema and rewrites it for the library.
 *
 * @param text The schema as JSON.
 * @returns The same for the library.
 * @throws {EngineError} `invalid_request`, param `grammar`, saying where and why.
 */
export function grammarSchema(text: string): string {
  if (text.length > SIZE_MAX) throw refuse("", `it is longer than ${SIZE_MAX} characters`);
  return JSON.stringify(new Normaliser().schema(JSON.parse(text), "", 0));
}
