/**
 * Python's `%` on strings.
 *
 * @module
 */

import { toRepr, toText } from "./text.ts";
import { isDict, keyValue, typeName, type Value } from "./values.ts";

const DIRECTIVE = /%(?:\((\w+)\))?([-+0 #]*)(\d*)(?:\.(\d+))?([a-zA-Z%])/g;

/**
 * `format % values`.
 *
 * @param values A tuple gives a value to each directive, a dict to those with names.
 * @throws {Error} As Python does, if values and directives do not fit.
 */
export function printf(format: string, values: Value): string {
  const queue = values.type === "TupleValue" ? [...values.value] : [values];
  return format.replace(
    DIRECTIVE,
    (_, name: string | undefined, flags, width, precision, kind) => {
      if (kind === "%") return "%";
      const value = name === undefined ? queue.shift() : named(values, name);
      if (value === undefined) throw new Error("not enough arguments for format string");
      const text = directive(kind, value, precision === undefined ? null : Number(precision));
      const signed = flags.includes("+") && !text.startsWith("-") ? `+${text}` : text;
      if (flags.includes("-")) return signed.padEnd(Number(width));
      return signed.padStart(Number(width), flags.includes("0") ? "0" : " ");
    },
  );
}

function named(values: Value, name: string): Value {
  const found = isDict(values) ? values.value.get(name) : undefined;
  if (found === undefined) throw new Error(`format has no value for ${toRepr(keyValue(name))}`);
  return found;
}

function directive(kind: string, value: Value, precision: number | null): string {
  if (kind === "s" || kind === "r") {
    const text = kind === "s" ? toText(value) : toRepr(value);
    return precision === null ? text : Array.from(text).slice(0, precision).join("");
  }
  const number = Number(value.value);
  if (typeof value.value !== "number" && typeof value.value !== "boolean") {
    throw new Error(`%${kind} format: a real number is required, not ${typeName(value)}`);
  }
  switch (kind) {
    case "d":
    case "i":
      return String(Math.trunc(number));
    case "f":
      return number.toFixed(precision ?? 6);
    case "x":
      return Math.trunc(number).toString(16);
    default:
      throw new Error(`unsupported format character '${kind}'`);
  }
}
