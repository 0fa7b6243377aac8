/**
 * Values as text: Python's `str()` and `repr()`, and JSON as Python writes it.
 *
 * @module
 */

import { isDict, isLazy, isSequence, type Key, keyValue, typeName, type Value } from "./values.ts";

/** Python's `str()`; what is undefined gives no text. */
export function toText(value: Value): string {
  if (value.type === "StringValue") return value.value;
  if (value.type === "UndefinedValue") return "";
  return toRepr(value);
}

/** Python's `repr()`. */
export function toRepr(value: Value): string {
  if (isSequence(value)) return sequenceRepr(value);
  if (isDict(value)) return `{${pairs(value.value)}}`;
  switch (value.type) {
    case "StringValue":
      return stringRepr(value.value);
    case "IntegerValue":
      return String(value.value);
    case "FloatValue":
      return floatText(value.value);
    case "BooleanValue":
      return value.value ? "True" : "False";
    case "NullValue":
      return "None";
    case "UndefinedValue":
      return "Undefined";
    case "NamespaceValue":
      return `<Namespace {${pairs(value.value)}}>`;
    default:
      return `<${typeName(value)}>`;
  }
}

function sequenceRepr(value: Extract<Value, { value: Value[] }>): string {
  if (isLazy(value)) return "<generator object>";
  const items = value.value.map(toRepr).join(", ");
  if (value.type === "ArrayValue") return `[${items}]`;
  return value.value.length === 1 ? `(${items},)` : `(${items})`;
}

function pairs(map: ReadonlyMap<Key, Value>): string {
  return [...map].map(([key, value]) => `${toRepr(keyValue(key))}: ${toRepr(value)}`).join(", ");
}

function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  if (Object.is(value, -0)) return "-0.0";
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e16)) {
    // Python writes an exponent of two digits at least.
    return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  }
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** Private-use characters stay as they are: prompts hide special tokens behind them. */
const UNPRINTABLE = /(?![ \p{Co}])[\p{C}\p{Z}\\]/gu;

function stringRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(UNPRINTABLE, (character) => {
    const known = ESCAPES[character];
    if (known !== undefined) return known;
    const code = character.codePointAt(0)!;
    if (code < 0x100) return `\\x${hex(code, 2)}`;
    return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
  });
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

function hex(code: number, digitCount: number): string {
  return code.toString(16).padStart(digitCount, "0");
}

/** Options of `tojson`, which are those of Python's `json.dumps()`. */
export interface JsonOptions {
  /** What each level is indented by; null for one line. */
  indent: string | null;
  itemSeparator: string;
  keySeparator: string;
  ensureAscii: boolean;
  sortKeys: boolean;
}

/**
 * JSON as Python writes it.
 *
 * @throws {Error} For a value that JSON does not have.
 */
export function toJson(value: Value, options: JsonOptions, depth = 0): string {
  if (value.type === "StringValue") return jsonString(value.value, options);
  if (value.type === "NullValue") return "null";
  if (value.type === "BooleanValue") return String(value.value);
  if (value.type === "IntegerValue" || value.type === "FloatValue") return toRepr(value);
  if (isSequence(value) && !isLazy(value)) {
    const items = value.value.map((item) => toJson(item, options, depth + 1));
    return enclose("[", items, "]", options, depth);
  }
  if (!isDict(value)) {
    throw new Error(`Object of type ${typeName(value)} is not JSON serializable`);
  }
  const entries = [...value.value].map(([key, item]): [string, Value] => [jsonKey(key), item]);
  if (options.sortKeys) entries.sort(([a], [b]) => compareText(a, b));
  const items = entries.map(([key, item]) => {
    return jsonString(key, options) + options.keySeparator + toJson(item, options, depth + 1);
  });
  return enclose("{", items, "}", options, depth);
}

function jsonKey(key: Key): string {
  return typeof key === "string" ? key : toJson(keyValue(key), {} as JsonOptions);
}

function enclose(
  open: string,
  items: readonly string[],
  close: string,
  { indent, itemSeparator }: JsonOptions,
  depth: number,
): string {
  if (items.length === 0 || indent === null) return open + items.join(itemSeparator) + close;
  const line = `\n${indent.repeat(depth)}`;
  return `${open}${line}${indent}${items.join(`${itemSeparator}${line}${indent}`)}${line}${close}`;
}

function jsonString(text: string, { ensureAscii }: JsonOptions): string {
  // Python escapes half of a pair only with `ensure_ascii`; DEL it never does.
  const json = JSON.stringify(text);
  if (!ensureAscii) return json;
  return json.replace(/[\x80-\ud7ff\ud800-\udfff\uf900-\uffff]/g, (unit) => {
    return `\\u${hex(unit.charCodeAt(0), 4)}`;
  });
}

/** Order of texts by code point. */
export function compareText(a: string, b: string): number {
  const [left, right] = [Array.from(a), Array.from(b)];
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const difference = left[index].codePointAt(0)! - right[index].codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
