/**
 * What follows a value: `.name`, `[key]` and `[from:to:step]`.
 *
 * @module
 */

import type { Environment } from "@huggingface/jinja";
import { type Arguments, bind, countArgument, splitArguments } from "./arguments.ts";
import { isEqual, keyOf, numberOf } from "./operators.ts";
import { STRING_METHODS } from "./strings.ts";
import { toRepr } from "./text.ts";
import {
  callable,
  dict,
  elementsOf,
  integer,
  isDict,
  isSequence,
  type Key,
  keyValue,
  list,
  NONE,
  refuseUndefined,
  str,
  tuple,
  typeName,
  undefinedValue,
  type Value,
} from "./values.ts";

type Method<T> = (value: T, args: Arguments) => Value;

const DICT_METHODS: Readonly<Record<string, Method<Map<Key, Value>>>> = {
  get: (map, args) => {
    const [key, otherwise] = bind("get", args, ["key", "default"]);
    return map.get(keyOf(key ?? NONE)) ?? otherwise ?? NONE;
  },
  items: (map) => list([...map].map(([key, value]) => tuple([keyValue(key), value]))),
  keys: (map) => list([...map.keys()].map(keyValue)),
  values: (map) => list([...map.values()]),
  copy: (map) => dict(new Map(map)),
};

const LIST_METHODS: Readonly<Record<string, Method<Value[]>>> = {
  index: (items, args) => {
    const [item = NONE] = bind("index", args, ["value"]);
    const at = items.findIndex((each) => isEqual(each, item));
    if (at < 0) throw new Error(`${toRepr(item)} is not in list`);
    return integer(at);
  },
  count: (items, args) => {
    const [item = NONE] = bind("count", args, ["value"]);
    return integer(items.filter((each) => isEqual(each, item)).length);
  },
  copy: (items) => list([...items]),
};

/** Methods that change a value, which Jinja's sandbox does not let a template call. */
const UNSAFE: Readonly<Record<string, readonly string[]>> = {
  list: ["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"],
  dict: ["clear", "pop", "popitem", "setdefault", "update"],
};

function methodOf(value: Value, name: string): Value | null {
  const bound = <T>(methods: Readonly<Record<string, Method<T>>>, self: T): Value | null => {
    if (!Object.hasOwn(methods, name)) return null;
    return callable((args) => methods[name](self, splitArguments(args)));
  };
  const type = typeName(value);
  if (Object.hasOwn(UNSAFE, type) && UNSAFE[type].includes(name)) {
    return callable(() => {
      throw new Error(`access to attribute '${name}' of '${type}' object is unsafe.`);
    });
  }
  if (value.type === "StringValue") return bound(STRING_METHODS, value.value);
  if (isDict(value)) return bound(DICT_METHODS, value.value);
  return isSequence(value) ? bound(LIST_METHODS, value.value) : null;
}

function ownName(value: Value): string {
  return value.type === "NullValue" ? "None" : `${typeName(value)} object`;
}

/**
 * `value.name`.
 *
 * @throws {Error} If `value` is undefined.
 */
export function attribute(value: Value, name: string): Value {
  refuseUndefined(value);
  if (value.type === "NamespaceValue") {
    const found = value.value.get(name);
    if (found !== undefined) return found;
  }
  return methodOf(value, name) ?? (isDict(value) ? value.value.get(name) : undefined) ??
    missingAttribute(value, name);
}

function missingAttribute(value: Value, name: string): Value {
  return undefinedValue(`'${ownName(value)}' has no attribute '${name}'`);
}

/**
 * `value[key]`.
 *
 * @throws {Error} If `value` is undefined.
 */
export function item(value: Value, key: Value): Value {
  refuseUndefined(value);
  const found = itemOrNull(value, key);
  if (found !== null) return found;
  if (key.type !== "StringValue") {
    return undefinedValue(`${ownName(value)} has no element ${toRepr(key)}`);
  }
  const method = isDict(value) ? null : methodOf(value, key.value);
  return method ?? missingAttribute(value, key.value);
}

function itemOrNull(value: Value, key: Value): Value | null {
  if (isDict(value) || value.type === "NamespaceValue") {
    return key.type === "UndefinedValue" ? null : value.value.get(keyOf(key)) ?? null;
  }
  const index = numberOf(key);
  if (index === null || !(isSequence(value) || value.type === "StringValue")) return null;
  return elementsOf(value).at(index) ?? null;
}

/** The value at a path such as `function.name` or `0`, as filters name attributes. */
export function atPath(value: Value, path: Value): Value {
  if (path.type !== "StringValue") return item(value, path);
  return path.value.split(".").reduce((at, part) => {
    return item(at, /^\d+$/.test(part) ? integer(Number(part)) : str(part));
  }, value);
}

/**
 * `value[start:stop:step]`.
 *
 * @throws {Error} If `value` has no order.
 */
export function slice(value: Value, bounds: readonly (Value | undefined)[]): Value {
  refuseUndefined(value);
  if (value.type === "StringValue") return str(cut(Array.from(value.value), bounds).join(""));
  if (!isSequence(value)) throw new Error(`'${typeName(value)}' object is not subscriptable`);
  const part = cut<Value>(value.value, bounds);
  return value.type === "TupleValue" ? tuple(part) : list(part);
}

function cut<T>(elements: readonly T[], bounds: readonly (Value | undefined)[]): T[] {
  const { length } = elements;
  const [start, stop, step = 1] = bounds.map((bound) => {
    const isGiven = bound !== undefined && bound.type !== "UndefinedValue";
    return isGiven && bound.type !== "NullValue" ? countArgument("slice", bound, 0) : undefined;
  });
  if (step === 0) throw new Error("slice step cannot be zero");
  const [low, high] = step > 0 ? [0, length] : [-1, length - 1];
  const clamp = (at: number) => Math.min(Math.max(at < 0 ? at + length : at, low), high);
  const from = start === undefined ? (step > 0 ? low : high) : clamp(start);
  const to = stop === undefined ? (step > 0 ? high : low) : clamp(stop);
  const result: T[] = [];
  for (let at = from; step > 0 ? at < to : at > to; at += step) result.push(elements[at]);
  return result;
}

/** What the library hands to a function: itself with its arguments. */
export function call(callee: Value, args: Value[], scope: Environment): Value {
  refuseUndefined(callee);
  if (callee.type === "FunctionValue") return callee.value(args, scope);
  throw new Error(`'${typeName(callee)}' object is not callable`);
}
