/**
 * Jinja's tests: `value is name`.
 *
 * @module
 */

import { compare, contains, isEqual, numberOf } from "./operators.ts";
import { isDict, isSequence, NONE, type Value } from "./values.ts";

type Test = (value: Value, other: Value) => boolean;

const isText = (value: Value) => value.type === "StringValue";
const remainder = (value: Value, divisor: number) => {
  const number = numberOf(value);
  if (number === null) throw new Error("not all arguments converted during string formatting");
  return number - divisor * Math.floor(number / divisor);
};
const isIterable = (value: Value) =>
  isSequence(value) || isDict(value) || isText(value) || value.type === "UndefinedValue";
const lessThan: Test = (value, other) => compare(value, other) < 0;
const greaterThan: Test = (value, other) => compare(value, other, ">") > 0;

const TESTS: Readonly<Record<string, Test>> = {
  defined: ({ type }) => type !== "UndefinedValue",
  undefined: ({ type }) => type === "UndefinedValue",
  none: ({ type }) => type === "NullValue",
  boolean: ({ type }) => type === "BooleanValue",
  true: ({ value }) => value === true,
  false: ({ value }) => value === false,
  integer: ({ type }) => type === "IntegerValue",
  float: ({ type }) => type === "FloatValue",
  number: (value) => numberOf(value) !== null,
  string: isText,
  mapping: isDict,
  sequence: isIterable,
  iterable: isIterable,
  callable: ({ type }) => type === "FunctionValue",
  odd: (value) => remainder(value, 2) === 1,
  even: (value) => remainder(value, 2) === 0,
  divisibleby: (value, other) => remainder(value, numberOf(other) ?? NaN) === 0,
  lower: ({ value }) => typeof value === "string" && value === value.toLowerCase(),
  upper: ({ value }) => typeof value === "string" && value === value.toUpperCase(),
  eq: isEqual,
  equalto: isEqual,
  "==": isEqual,
  ne: (value, other) => !isEqual(value, other),
  "!=": (value, other) => !isEqual(value, other),
  lt: lessThan,
  lessthan: lessThan,
  "<": lessThan,
  le: (value, other) => !greaterThan(value, other),
  "<=": (value, other) => !greaterThan(value, other),
  gt: greaterThan,
  greaterthan: greaterThan,
  ">": greaterThan,
  ge: (value, other) => !lessThan(value, other),
  ">=": (value, other) => !lessThan(value, other),
  in: (value, other) => contains(other, value),
  sameas: (value, other) => value === other || value.value === other.value,
};

/**
 * Whether `value is name(other)`.
 *
 * @throws {Error} If Jinja has no such test.
 */
export function runTest(name: string, value: Value, other: Value = NONE): boolean {
  if (!Object.hasOwn(TESTS, name)) throw new Error(`No test named '${name}'.`);
  return TESTS[name](value, other);
}
