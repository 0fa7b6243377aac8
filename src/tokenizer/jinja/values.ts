/**
 * Values of templates, as the library makes them, and a type for each of them: the library exports
 * neither.
 *
 * @module
 */

import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";

interface Typed<T extends string, V> {
  readonly type: T;
  readonly value: V;
}

export type Integer = Typed<"IntegerValue", number>;
export type Float = Typed<"FloatValue", number>;
export type Str = Typed<"StringValue", string>;
export type Bool = Typed<"BooleanValue", boolean>;
export type None = Typed<"NullValue", null>;
/** `hint` says why it is undefined. */
export type Undefined = Typed<"UndefinedValue", undefined> & { hint?: string };
export type List = Typed<"ArrayValue", Value[]>;
export type Tuple = Typed<"TupleValue", Value[]>;
/** Keys are strings, numbers or truth values. */
export type Dict = Typed<"ObjectValue" | "KeywordArgumentsValue", Map<Key, Value>>;
export type Namespace = Typed<"NamespaceValue", Map<Key, Value>>;
export type Callable = Typed<"FunctionValue", (args: Value[], scope: Environment) => Value>;

/** A value of a template. */
export type Value =
  | Integer
  | Float
  | Str
  | Bool
  | None
  | Undefined
  | List
  | Tuple
  | Dict
  | Namespace
  | Callable;

/** A key of a dict. */
export type Key = string | number | boolean;

const scope = new Environment();
new Interpreter(scope).run(parse(tokenize("{% set tuple = (1, 2) %}{% set room = namespace() %}")));

/** The library's class of a value. */
function maker<T extends Value>(sample: unknown): (value: T["value"]) => T {
  const { constructor } = sample as { constructor: new (value: T["value"]) => T };
  return (value) => new constructor(value);
}
let sampleCount = 0;
const sampleOf = (value: unknown) => scope.set(`sample${sampleCount++}`, value);

export const integer = maker<Integer>(sampleOf(1));
export const float = maker<Float>(sampleOf(0.5));
export const str = maker<Str>(sampleOf(""));
export const bool = maker<Bool>(sampleOf(true));
export const list = maker<List>(sampleOf([]));
export const dict = maker<Dict>(sampleOf({}));
export const tuple = maker<Tuple>(scope.lookupVariable("tuple"));
export const namespace = maker<Namespace>(scope.lookupVariable("room"));
export const callable = maker<Callable>(sampleOf(() => {}));
export const NONE = maker<None>(sampleOf(null))(null);

const makeUndefined = maker<Undefined>(sampleOf(undefined));

/** A value that is not there; `hint` is what Jinja says if something is done with it. */
export function undefinedValue(hint: string): Undefined {
  return Object.assign(makeUndefined(undefined), { hint });
}

/** A JavaScript value as a value of a template. */
export function valueOf(input: unknown): Value {
  return new Environment().set("value", input) as unknown as Value;
}

/** Lists that Python would make on demand: they can be walked through, and have no length. */
const lazyLists = new WeakSet<Value>();

/** A list that Python has as a generator. */
export function lazyList(values: Value[]): List {
  const result = list(values);
  lazyLists.add(result);
  return result;
}

/** Whether Python has this list as a generator. */
export function isLazy(value: Value): boolean {
  return lazyLists.has(value);
}

/** A dict's key as a value. */
export function keyValue(key: Key): Value {
  if (typeof key === "string") return str(key);
  if (typeof key === "boolean") return bool(key);
  return Number.isInteger(key) ? integer(key) : float(key);
}

/** Whether it is a list or a tuple. */
export function isSequence(value: Value): value is List | Tuple {
  return value.type === "ArrayValue" || value.type === "TupleValue";
}

/** Whether it is a dict. */
export function isDict(value: Value): value is Dict {
  return value.type === "ObjectValue" || value.type === "KeywordArgumentsValue";
}

/** Whether Python takes it for true. */
export function truth(value: Value): boolean {
  if (isSequence(value)) return isLazy(value) || value.value.length > 0;
  if (isDict(value)) return value.value.size > 0;
  return Boolean(value.value);
}

/** The name of the value's type in Python. */
export function typeName(value: Value): string {
  switch (value.type) {
    case "IntegerValue":
      return "int";
    case "FloatValue":
      return "float";
    case "StringValue":
      return "str";
    case "BooleanValue":
      return "bool";
    case "NullValue":
      return "NoneType";
    case "UndefinedValue":
      return "Undefined";
    case "ArrayValue":
      return isLazy(value) ? "generator" : "list";
    case "TupleValue":
      return "tuple";
    case "NamespaceValue":
      return "Namespace";
    case "FunctionValue":
      return "function";
    default:
      return "dict";
  }
}

/** @throws {Error} What Jinja says of an undefined value that something is done with. */
export function refuseUndefined(value: Value): void {
  if (value.type === "UndefinedValue") throw new Error(value.hint ?? "a value is undefined");
}

/**
 * The elements of a value: characters of a string, keys of a dict, nothing of what is undefined.
 *
 * @throws {Error} If Python cannot walk through it.
 */
export function elementsOf(value: Value): Value[] {
  if (isSequence(value)) return value.value;
  if (isDict(value)) return [...value.value.keys()].map(keyValue);
  if (value.type === "StringValue") return Array.from(value.value, str);
  if (value.type === "UndefinedValue") return [];
  throw new Error(`'${typeName(value)}' object is not iterable`);
}

/** @throws {Error} If it has no length, as in Python. */
export function lengthOf(value: Value): number {
  if (isDict(value)) return value.value.size;
  const isCountable = isSequence(value) && !isLazy(value);
  if (isCountable || value.type === "StringValue" || value.type === "UndefinedValue") {
    return elementsOf(value).length;
  }
  throw new Error(`object of type '${typeName(value)}' has no len()`);
}
