/**
 * Python's operators on the values of templates.
 *
 * @module
 */

import { joinTexts } from "./markup.ts";
import { printf } from "./printf.ts";
import { compareText, toText } from "./text.ts";
import {
  bool,
  elementsOf,
  float,
  integer,
  isDict,
  isLazy,
  isSequence,
  type Key,
  list,
  refuseUndefined,
  str,
  tuple,
  typeName,
  type Value,
} from "./values.ts";

/** The number that Python takes a value for; null if none. */
export function numberOf(value: Value): number | null {
  if (value.type === "IntegerValue" || value.type === "FloatValue") return value.value;
  return value.type === "BooleanValue" ? Number(value.value) : null;
}

/** Python's `==`. */
export function isEqual(left: Value, right: Value): boolean {
  const [a, b] = [numberOf(left), numberOf(right)];
  if (a !== null || b !== null) return a === b;
  if (isSequence(left) && isSequence(right)) {
    if (left.type !== right.type || isLazy(left) || isLazy(right)) return left === right;
    return left.value.length === right.value.length &&
      left.value.every((item, index) => isEqual(item, right.value[index]));
  }
  if (isDict(left) && isDict(right)) {
    return left.value.size === right.value.size && [...left.value].every(([key, item]) => {
      const other = right.value.get(key);
      return other !== undefined && isEqual(item, other);
    });
  }
  return left.type === right.type && left.value === right.value;
}

/**
 * Python's order of two values.
 *
 * @returns Below zero if `left` comes first, above zero if `right` does.
 * @throws {Error} If Python cannot compare them.
 */
export function compare(left: Value, right: Value, operator = "<"): number {
  refuseUndefined(left);
  refuseUndefined(right);
  const [a, b] = [numberOf(left), numberOf(right)];
  if (a !== null && b !== null) return a - b;
  if (left.type === "StringValue" && right.type === "StringValue") {
    return compareText(left.value, right.value);
  }
  if (isSequence(left) && isSequence(right) && left.type === right.type) {
    for (let index = 0; index < Math.min(left.value.length, right.value.length); index++) {
      const [x, y] = [left.value[index], right.value[index]];
      if (!isEqual(x, y)) return compare(x, y, operator);
    }
    return left.value.length - right.value.length;
  }
  const types = `'${typeName(left)}' and '${typeName(right)}'`;
  throw new Error(`'${operator}' not supported between instances of ${types}`);
}

/** Python's `in`. */
export function contains(container: Value, item: Value): boolean {
  if (container.type === "StringValue") {
    if (item.type === "StringValue") return container.value.includes(item.value);
    refuseUndefined(item);
    throw new Error(`'in <string>' requires string as left operand, not ${typeName(item)}`);
  }
  if (isDict(container)) return container.value.has(keyOf(item));
  if (isSequence(container) || container.type === "UndefinedValue") {
    return elementsOf(container).some((element) => isEqual(element, item));
  }
  throw new Error(`argument of type '${typeName(container)}' is not iterable`);
}

/** @throws {Error} If Python has no such key. */
export function keyOf(value: Value): Key {
  const { type } = value;
  if (type === "StringValue" || type === "BooleanValue") return value.value;
  const key = numberOf(value);
  if (key !== null) return key;
  refuseUndefined(value);
  if (type === "NullValue") return "None"; // no template keeps both
  throw new Error(`unhashable type: '${typeName(value)}'`);
}

/** A binary operator other than `and` and `or`. */
export function binary(operator: string, left: Value, right: Value): Value {
  switch (operator) {
    case "==":
      return bool(isEqual(left, right));
    case "!=":
      return bool(!isEqual(left, right));
    case "in":
      return bool(contains(right, left));
    case "not in":
      return bool(!contains(right, left));
    case "~":
      return str(toText(left) + toText(right));
    case "<":
      return bool(compare(left, right, operator) < 0);
    case "<=":
      return bool(compare(left, right, operator) <= 0);
    case ">":
      return bool(compare(left, right, operator) > 0);
    case ">=":
      return bool(compare(left, right, operator) >= 0);
    default:
      return arithmetic(operator, left, right);
  }
}

function arithmetic(operator: string, left: Value, right: Value): Value {
  refuseUndefined(left);
  refuseUndefined(right);
  const [a, b] = [numberOf(left), numberOf(right)];
  if (a !== null && b !== null) return calculate(operator, left, right);
  if (operator === "%" && left.type === "StringValue") return str(printf(left.value, right));
  if (operator === "+") return concatenate(left, right);
  if (operator === "*") {
    if (b !== null) return repeat(left, b);
    if (a !== null) return repeat(right, a);
  }
  throw unsupported(operator, left, right);
}

function calculate(operator: string, left: Value, right: Value): Value {
  const [a, b] = [numberOf(left)!, numberOf(right)!];
  const isFloat = left.type === "FloatValue" || right.type === "FloatValue";
  const make = (value: number) => isFloat ? float(value) : integer(value);
  if (b === 0 && ["/", "//", "%"].includes(operator)) throw new Error("division by zero");
  switch (operator) {
    case "+":
      return make(a + b);
    case "-":
      return make(a - b);
    case "*":
      return make(a * b);
    case "/":
      return float(a / b);
    case "//":
      return make(Math.floor(a / b));
    case "%":
      return make(a - b * Math.floor(a / b));
    case "**":
      return b < 0 ? float(a ** b) : make(a ** b);
    default:
      throw unsupported(operator, left, right);
  }
}

function concatenate(left: Value, right: Value): Value {
  if (left.type === "StringValue" && right.type === "StringValue") {
    return joinTexts(left, right);
  }
  if (isSequence(left) && isSequence(right) && left.type === right.type && !isLazy(left)) {
    const items = left.value.concat(right.value);
    return left.type === "TupleValue" ? tuple(items) : list(items);
  }
  if (left.type === "StringValue" || (isSequence(left) && !isLazy(left))) {
    const name = typeName(left);
    throw new Error(`can only concatenate ${name} (not "${typeName(right)}") to ${name}`);
  }
  throw unsupported("+", left, right);
}

function repeat(value: Value, count: number): Value {
  const times = Math.max(0, count);
  if (value.type === "StringValue") return str(value.value.repeat(times));
  if (!isSequence(value)) throw unsupported("*", value, integer(count));
  const items = Array.from({ length: times }, () => value.value).flat();
  return value.type === "TupleValue" ? tuple(items) : list(items);
}

function unsupported(operator: string, left: Value, right: Value): Error {
  const types = `'${typeName(left)}' and '${typeName(right)}'`;
  return new Error(`unsupported operand type(s) for ${operator}: ${types}`);
}
