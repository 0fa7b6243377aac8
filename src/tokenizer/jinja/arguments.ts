/**
 * Arguments of methods, filters and functions.
 *
 * @module
 */

import { numberOf } from "./operators.ts";
import { type Key, typeName, type Value } from "./values.ts";

/** Arguments by position and by name. */
export interface Arguments {
  positional: readonly Value[];
  named: ReadonlyMap<Key, Value>;
}

/** The library passes named arguments as a last value. */
export function splitArguments(values: readonly Value[]): Arguments {
  const last = values.at(-1);
  if (last?.type !== "KeywordArgumentsValue") return { positional: values, named: new Map() };
  return { positional: values.slice(0, -1), named: last.value };
}

/**
 * The arguments of a callable with these parameters, in their order.
 *
 * @throws {Error} If there are others.
 */
export function bind(
  callee: string,
  { positional, named }: Arguments,
  parameters: readonly string[],
): (Value | undefined)[] {
  if (positional.length > parameters.length) {
    throw new Error(
      `${callee}() takes at most ${parameters.length} arguments (${positional.length} given)`,
    );
  }
  for (const name of named.keys()) {
    if (parameters.includes(String(name))) continue;
    throw new Error(`${callee}() got an unexpected keyword argument '${name}'`);
  }
  return parameters.map((name, index) => positional[index] ?? named.get(name));
}

/** @throws {Error} If it is no string. */
export function textArgument(callee: string, value: Value | undefined): string {
  if (value?.type === "StringValue") return value.value;
  throw new Error(`${callee}() argument must be str, not ${value ? typeName(value) : "missing"}`);
}

/**
 * An integer argument, or `otherwise` if there is none.
 *
 * @throws {Error} If it is no number.
 */
export function countArgument(
  callee: string,
  value: Value | undefined,
  otherwise: number,
): number {
  if (value === undefined || value.type === "NullValue") return otherwise;
  const number = numberOf(value);
  if (number !== null) return number;
  throw new Error(`'${typeName(value)}' object cannot be interpreted as an integer in ${callee}()`);
}
