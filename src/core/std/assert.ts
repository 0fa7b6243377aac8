/**
 * The assertions of `@std/assert` that this project uses, under the same names, over
 * `node:assert/strict`. `deno.json` maps `@std/assert` here because JSR cannot be reached
 * everywhere.
 * One difference: to `assertEquals` `0` and `-0` differ.
 *
 * @module
 */

import nodeAssert, { AssertionError } from "node:assert/strict";

export { AssertionError };

// deno-lint-ignore no-explicit-any
type AnyConstructor = abstract new (...args: any[]) => any;
/** A constructor of errors, with any parameters. */
// deno-lint-ignore no-explicit-any
export type ErrorConstructor<E extends Error> = new (...args: any[]) => E;

/** Throws always, with `message`. */
export function fail(message = "Test failed"): never {
  throw new AssertionError({ message });
}

/** Passes if `condition` is truthy. */
export function assert(condition: unknown, message = "Expected a truthy value"): asserts condition {
  if (!condition) fail(message);
}

/** Passes if `condition` is falsy. */
export function assertFalse(condition: unknown, message = "Expected a falsy value"): void {
  if (condition) fail(message);
}

/**
 * Passes if both values have the same type and structure; order matters in arrays, not in objects.
 */
export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  check(() => nodeAssert.deepStrictEqual(actual, expected), message);
}

/** Passes if {@link assertEquals} would not. */
export function assertNotEquals<T>(actual: T, expected: T, message?: string): void {
  check(() => nodeAssert.notDeepStrictEqual(actual, expected), message);
}

/** Passes if `Object.is(actual, expected)`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  message?: string,
): asserts actual is T {
  check(() => nodeAssert.strictEqual(actual, expected), message);
}

/** Passes if `Object.is(actual, expected)` does not hold. */
export function assertNotStrictEquals<T>(actual: T, expected: T, message?: string): void {
  check(() => nodeAssert.notStrictEqual(actual, expected), message);
}

/** Passes if `actual` is neither null nor undefined. */
export function assertExists<T>(actual: T, message?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) {
    fail(describe(`Expected a value, got ${actual}`, message));
  }
}

/** Passes if `actual` is an instance of `type`. */
export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  type: T,
  message?: string,
): asserts actual is InstanceType<T> {
  if (!(actual instanceof type)) {
    fail(describe(`Expected an instance of ${type.name}, got ${nameOf(actual)}`, message));
  }
}

/**
 * Passes if the numbers differ by at most `tolerance`; default 1e-7 of `expected`, as in `@std`.
 */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance: number = Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7,
  message?: string,
): void {
  if (Object.is(actual, expected)) return;
  if (Math.abs(actual - expected) <= tolerance) return;
  fail(describe(`Expected ${actual} to be within ${tolerance} of ${expected}`, message));
}

/** Passes if `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, message?: string): void {
  if (!(actual > expected)) fail(describe(`Expected ${actual} > ${expected}`, message));
}

/** Passes if `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, message?: string): void {
  if (!(actual >= expected)) fail(describe(`Expected ${actual} >= ${expected}`, message));
}

/** Passes if `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, message?: string): void {
  if (!(actual < expected)) fail(describe(`Expected ${actual} < ${expected}`, message));
}

/** Passes if `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, message?: string): void {
  if (!(actual <= expected)) fail(describe(`Expected ${actual} <= ${expected}`, message));
}

/** Passes if `actual` matches `pattern`. */
export function assertMatch(actual: string, pattern: RegExp, message?: string): void {
  check(() => nodeAssert.match(actual, pattern), message);
}

/** Passes if `actual` does not match `pattern`. */
export function assertNotMatch(actual: string, pattern: RegExp, message?: string): void {
  check(() => nodeAssert.doesNotMatch(actual, pattern), message);
}

/** Passes if `actual` contains `part`. */
export function assertStringIncludes(actual: string, part: string, message?: string): void {
  if (!actual.includes(part)) {
    fail(
      describe(`Expected ${JSON.stringify(actual)} to include ${JSON.stringify(part)}`, message),
    );
  }
}

/** Passes if every element of `expected` equals some element of `actual`. */
export function assertArrayIncludes<T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  message?: string,
): void {
  const missing = Array.from(expected).filter((wanted) =>
    !Array.from(actual).some((present) => equals(present, wanted))
  );
  if (missing.length > 0) {
    fail(describe(`Expected the array to include ${Deno.inspect(missing)}`, message));
  }
}

/** Passes if every property of `expected` is in `actual` with an equal value, at any depth. */
export function assertObjectMatch(actual: object, expected: object, message?: string): void {
  check(() => nodeAssert.deepStrictEqual(project(actual, expected), expected), message);
}

/** Passes if `body` throws; with a class and text, if the error is of it and includes the text. */
export function assertThrows(body: () => unknown, message?: string): unknown;
export function assertThrows<E extends Error>(
  body: () => unknown,
  type: ErrorConstructor<E>,
  includes?: string,
  message?: string,
): E;
export function assertThrows(
  body: () => unknown,
  typeOrMessage?: ErrorConstructor<Error> | string,
  includes?: string,
  message?: string,
): unknown {
  try {
    body();
  } catch (error) {
    return checkError(error, typeOrMessage, includes, message);
  }
  fail(describe("Expected the function to throw", suffixOf(typeOrMessage, message)));
}

/** Passes if the promise of `body` rejects; with a class and text as {@link assertThrows}. */
export function assertRejects(body: () => PromiseLike<unknown>, message?: string): Promise<unknown>;
export function assertRejects<E extends Error>(
  body: () => PromiseLike<unknown>,
  type: ErrorConstructor<E>,
  includes?: string,
  message?: string,
): Promise<E>;
export async function assertRejects(
  body: () => PromiseLike<unknown>,
  typeOrMessage?: ErrorConstructor<Error> | string,
  includes?: string,
  message?: string,
): Promise<unknown> {
  let pending: PromiseLike<unknown>;
  try {
    pending = body();
  } catch (error) {
    fail(`Expected the function to reject, but it threw at once: ${error}`);
  }
  try {
    await pending;
  } catch (error) {
    return checkError(error, typeOrMessage, includes, message);
  }
  fail(describe("Expected the function to reject", suffixOf(typeOrMessage, message)));
}

/** Marks a branch that must not be reached. */
export function unreachable(reason = "Reached code that must not run"): never {
  fail(reason);
}

function checkError(
  error: unknown,
  typeOrMessage: ErrorConstructor<Error> | string | undefined,
  includes: string | undefined,
  message: string | undefined,
): unknown {
  if (typeof typeOrMessage !== "function") return error;
  if (!(error instanceof typeOrMessage)) {
    const wanted = `Expected an error of ${typeOrMessage.name}, got ${nameOf(error)}: ${error}`;
    fail(describe(wanted, message));
  }
  if (includes !== undefined) assertStringIncludes(error.message, includes, message);
  return error;
}

function suffixOf(typeOrMessage: unknown, message: string | undefined): string | undefined {
  return typeof typeOrMessage === "string" ? typeOrMessage : message;
}

/** Runs a `node:assert` check and puts `message` before its own text. */
function check(body: () => void, message: string | undefined): void {
  try {
    body();
  } catch (error) {
    if (!(error instanceof AssertionError) || message === undefined) throw error;
    const { actual, expected, operator } = error;
    throw new AssertionError({
      message: `${message}: ${error.message}`,
      actual,
      expected,
      operator,
    });
  }
}

function equals(a: unknown, b: unknown): boolean {
  try {
    nodeAssert.deepStrictEqual(a, b);
    return true;
  } catch {
    return false;
  }
}

/** `actual` reduced to the properties that `expected` has. */
function project(actual: unknown, expected: unknown): unknown {
  if (!isPlain(expected) || typeof actual !== "object" || actual === null) return actual;
  const source = actual as Record<string, unknown>;
  const keys = Object.keys(expected).filter((key) => key in source);
  return Object.fromEntries(
    keys.map((key) => [key, project(source[key], (expected as Record<string, unknown>)[key])]),
  );
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null &&
    Object.getPrototypeOf(value) === Object.prototype;
}

function nameOf(value: unknown): string {
  if (value === null || typeof value !== "object") return String(value);
  return value.constructor?.name ?? "an object without a constructor";
}

function describe(claim: string, message: string | undefined): string {
  return message === undefined ? claim : `${message}: ${claim}`;
}
