/**
 * Jinja's filters of texts, numbers and any value.
 *
 * @module
 */

import { type Arguments, bind, countArgument, textArgument } from "./arguments.ts";
import { escapeMarkup, markup } from "./markup.ts";
import { numberOf } from "./operators.ts";
import { printf } from "./printf.ts";
import { capitalize, replace, strip } from "./strings.ts";
import { toJson, toText } from "./text.ts";
import {
  elementsOf,
  float,
  integer,
  isDict,
  keyValue,
  lengthOf,
  list,
  NONE,
  refuseUndefined,
  str,
  truth,
  tuple,
  typeName,
  type Value,
} from "./values.ts";

/** A filter's work on a value. */
export type Filter = (value: Value, args: Arguments) => Value;

const ofText = (change: (text: string) => string): Filter => (value) => str(change(toText(value)));

const escape: Filter = (value) => {
  return escapeMarkup(value.type === "StringValue" ? value : str(toText(value)));
};

function defaultTo(value: Value, args: Arguments): Value {
  const [otherwise, boolean] = bind("default", args, ["default_value", "boolean"]);
  const isMissing = value.type === "UndefinedValue" ||
    (boolean !== undefined && truth(boolean) && !truth(value));
  return isMissing ? otherwise ?? str("") : value;
}

function tojson(value: Value, args: Arguments): Value {
  const names = ["indent", "ensure_ascii", "separators", "sort_keys"];
  const [indent, ensureAscii, separators, sortKeys] = bind("tojson", args, names);
  const isLine = indent === undefined || indent.type === "NullValue";
  const [itemSeparator, keySeparator] = separators === undefined || separators.type === "NullValue"
    ? [isLine ? ", " : ",", ": "]
    : elementsOf(separators).map((each) => textArgument("separators", each));
  const step = indent?.type === "StringValue"
    ? indent.value
    : " ".repeat(countArgument("tojson", indent, 0));
  return str(toJson(value, {
    indent: isLine ? null : step,
    itemSeparator,
    keySeparator,
    ensureAscii: ensureAscii !== undefined && truth(ensureAscii),
    sortKeys: sortKeys !== undefined && truth(sortKeys),
  }));
}

function indent(value: Value, args: Arguments): Value {
  const [width, first, blank] = bind("indent", args, ["width", "first", "blank"]);
  const step = width?.type === "StringValue"
    ? width.value
    : " ".repeat(countArgument("indent", width, 4));
  const lines = toText(value).split("\n").map((line, index) => {
    const isLeft = index === 0 ? !(first && truth(first)) : line === "" && !(blank && truth(blank));
    return isLeft ? line : step + line;
  });
  return str(lines.join("\n"));
}

/** A number in a text as Python reads it; null if it is none. */
function parseNumber(text: string, pattern: RegExp): number | null {
  const trimmed = strip(text, null, "both");
  return pattern.test(trimmed) ? Number(trimmed) : null;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function toInteger(value: Value, args: Arguments): Value {
  refuseUndefined(value);
  const [otherwise = integer(0)] = bind("int", args, ["default", "base"]);
  const number = value.type === "StringValue" ? parseNumber(value.value, NUMBER) : numberOf(value);
  return number === null ? otherwise : integer(Math.trunc(number));
}

function toFloat(value: Value, args: Arguments): Value {
  refuseUndefined(value);
  const [otherwise = float(0)] = bind("float", args, ["default"]);
  const number = value.type === "StringValue" ? parseNumber(value.value, NUMBER) : numberOf(value);
  return number === null ? otherwise : float(number);
}

/** Python rounds halves to the even neighbour. */
function roundEven(number: number): number {
  const down = Math.floor(number);
  if (number - down !== 0.5) return Math.round(number);
  return down % 2 === 0 ? down : down + 1;
}

function round(value: Value, args: Arguments): Value {
  const [precision, method] = bind("round", args, ["precision", "method"]);
  const number = numberOf(value);
  if (number === null) throw new Error(`type ${typeName(value)} doesn't define __round__ method`);
  const scale = 10 ** countArgument("round", precision, 0);
  const how = method === undefined ? "common" : toText(method);
  const work = how === "ceil" ? Math.ceil : how === "floor" ? Math.floor : roundEven;
  const rounded = work(number * scale) / scale;
  return value.type === "FloatValue" || how !== "common" ? float(rounded) : integer(rounded);
}

function abs(value: Value): Value {
  const number = numberOf(value);
  if (number === null) throw new Error(`bad operand type for abs(): '${typeName(value)}'`);
  return value.type === "FloatValue" ? float(Math.abs(number)) : integer(Math.abs(number));
}

function items(value: Value): Value {
  if (value.type === "UndefinedValue") return list([]);
  if (!isDict(value)) throw new Error("Can only get item pairs from a mapping.");
  return list([...value.value].map(([key, each]) => tuple([keyValue(key), each])));
}

/** Words begin at the start and behind white space, `-` and opening brackets. */
const titleWords = ofText((text) =>
  text.split(/([-\s({[<]+)/).map((word) => capitalize(word)).join("")
);

/** Filters by name. */
export const VALUE_FILTERS: Readonly<Record<string, Filter>> = {
  default: defaultTo,
  d: defaultTo,
  tojson,
  indent,
  int: toInteger,
  float: toFloat,
  round,
  abs,
  items,
  string: (value) => value.type === "StringValue" ? value : str(toText(value)),
  safe: (value) => markup(toText(value)),
  escape,
  e: escape,
  upper: ofText((text) => text.toUpperCase()),
  lower: ofText((text) => text.toLowerCase()),
  capitalize: ofText(capitalize),
  title: titleWords,
  length: (value) => integer(lengthOf(value)),
  count: (value) => integer(lengthOf(value)),
  wordcount: (value) => integer(toText(value).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0),
  trim: (value, args) => {
    const [chars] = bind("trim", args, ["chars"]);
    const set = chars === undefined || chars.type === "NullValue" ? null : toText(chars);
    return str(strip(toText(value), set, "both"));
  },
  replace: (value, args) => {
    const [old = NONE, fresh = NONE, count] = bind("replace", args, ["old", "new", "count"]);
    const [from, to] = [toText(old), toText(fresh)];
    return str(replace(toText(value), from, to, countArgument("replace", count, -1)));
  },
  format: (value, { positional }) => str(printf(toText(value), tuple([...positional]))),
  center: (value, args) => {
    const text = toText(value);
    const missing = countArgument("center", bind("center", args, ["width"])[0], 80) - text.length;
    const left = Math.max(0, Math.floor(missing / 2));
    return str(" ".repeat(left) + text + " ".repeat(Math.max(0, missing - left)));
  },
};
