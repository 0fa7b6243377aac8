/**
 * Numbers of a range, digit by digit.
 *
 * @module
 */

import { digitRanges } from "./characters.ts";
import {
  choice,
  EMPTY,
  type Expression,
  type Grammar,
  NEVER,
  optional,
  repeat,
  sequence,
  text,
} from "./expression.ts";

/** A number as whole digits and digits behind the point, without zeros at its end. */
export interface Decimal {
  isNegative: boolean;
  whole: bigint;
  fraction: readonly number[];
}

/** A bound of a range; null: unbounded. */
export type Bound = { value: Decimal; isExclusive: boolean } | null;

/** What a number may be. */
export interface NumberRange {
  low: Bound;
  high: Bound;
}

/** Most digits behind the point; null: any. */
type DigitMax = number | null;

const digits = (first: number, last: number): Expression => ({
  kind: "bytes",
  ranges: [[0x30 + first, 0x30 + last]],
});
const DIGIT = digits(0, 9);
const ZERO = text("0");

/** The shortest decimal that stands for a number. */
export function toDecimal(value: number): Decimal {
  const [, sign, whole, fraction = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/
    .exec(String(value))!;
  const shift = Number(exponent);
  const all = whole + fraction;
  const point = whole.length + shift;
  const left = point <= 0 ? "0" : all.slice(0, point).padEnd(point, "0");
  const right = (point < 0 ? "0".repeat(-point) : "") + all.slice(Math.max(0, point));
  return {
    isNegative: sign === "-",
    whole: BigInt(left),
    fraction: [...right.replace(/0+$/, "")].map(Number),
  };
}

/** Compares two numbers: below zero if `a` is smaller. */
export function compare(a: Decimal, b: Decimal): number {
  const sign = (value: Decimal) =>
    value.whole === 0n && value.fraction.length === 0 ? 0 : value.isNegative ? -1 : 1;
  if (sign(a) !== sign(b)) return sign(a) - sign(b);
  return compareSize(a, b) * sign(a);
}

function compareSize(a: Decimal, b: Decimal): number {
  if (a.whole !== b.whole) return a.whole < b.whole ? -1 : 1;
  for (let at = 0; at < Math.max(a.fraction.length, b.fraction.length); at++) {
    const difference = (a.fraction[at] ?? 0) - (b.fraction[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const digitsOf = (value: bigint) => [...String(value)].map(Number);

/** Whole numbers from `low` on, both ends included. */
function wholeRange(low: bigint, high: bigint | null): Expression {
  if (high !== null && high < low) return NEVER;
  const paths: Expression[] = [];
  const first = String(low).length;
  const last = high === null ? first : String(high).length;
  const add = (from: bigint, to: bigint) => {
    for (const path of digitRanges(digitsOf(from), digitsOf(to), 9)) {
      paths.push(sequence(...path.map(([a, b]) => a === b ? text(String(a)) : digits(a, b))));
    }
  };
  const top = (length: number) => 10n ** BigInt(length) - 1n;
  add(low, high === null || first < last ? top(first) : high);
  const leading = digits(1, 9);
  if (high === null) paths.push(sequence(leading, repeat(DIGIT, first, null)));
  else if (first < last) {
    if (last - first > 1) paths.push(sequence(leading, repeat(DIGIT, first, last - 2)));
    add(10n ** BigInt(last - 1), high);
  }
  return choice(...paths);
}

/** Ends of the digits behind the point of a number whose whole part is that of an end. */
interface FractionEnds {
  low: { digits: readonly number[]; isExclusive: boolean } | null;
  high: { digits: readonly number[]; isExclusive: boolean } | null;
  max: DigitMax;
}

/** Digits from place `at` on, which may be none. */
function tail(ends: FractionEnds, at: number): Expression {
  const { low, high, max } = ends;
  const left = max === null ? null : max - at;
  const more = repeat(DIGIT, 0, left);
  const isPast = (end: FractionEnds["low"]) => end === null || at >= end.digits.length;
  const rest = (end: NonNullable<FractionEnds["low"]>) => end.digits.slice(at).some((d) => d > 0);
  if (low === null && high === null) return more;
  if (isPast(low) && isPast(high)) {
    if (high !== null) {
      return high.isExclusive || low?.isExclusive ? NEVER : repeat(ZERO, 0, left);
    }
    if (!low!.isExclusive) return more;
    // Something behind it must not be zero.
    const inner = sequence(digits(1, 9), repeat(DIGIT, 0, left === null ? null : left - 1));
    if (left === null) return sequence(repeat(ZERO, 0, null), inner);
    return left === 0 ? NEVER : choice(inner, sequence(ZERO, tail(ends, at + 1)));
  }
  const mayEnd = (low === null || (!rest(low) && !low.isExclusive)) &&
    (high === null || rest(high) || !high.isExclusive);
  return choice(...(mayEnd ? [EMPTY] : []), ...(left === 0 ? [] : steps(ends, at)));
}

/** The digit at a place, and what may follow. */
function steps({ low, high, max }: FractionEnds, at: number): Expression[] {
  const least = low === null ? 0 : low.digits[at] ?? 0;
  const most = high === null ? 9 : high.digits[at] ?? 0;
  const path = (digit: number) =>
    sequence(
      text(String(digit)),
      tail({ low: digit === least ? low : null, high: digit === most ? high : null, max }, at + 1),
    );
  if (most < least) return [];
  if (most === least) return [path(least)];
  const inner: [number, number] = [
    low === null ? least : least + 1,
    high === null ? most : most - 1,
  ];
  return [
    ...(low === null ? [] : [path(least)]),
    ...(inner[0] > inner[1]
      ? []
      : [sequence(digits(...inner), tail({ low: null, high: null, max }, at + 1))]),
    ...(high === null ? [] : [path(most)]),
  ];
}

/** The point and the digits behind it, or neither. */
function fraction(ends: FractionEnds): Expression {
  const { low, high } = ends;
  const sumOf = (end: { digits: readonly number[] }) => end.digits.reduce((a, b) => a + b, 0);
  const mayBeNone = (low === null || (sumOf(low) === 0 && !low.isExclusive)) &&
    (high === null || sumOf(high) > 0 || !high.isExclusive);
  const behind = ends.max === 0 ? [] : steps(ends, 0);
  const some = behind.length === 0 ? NEVER : sequence(text("."), choice(...behind));
  return mayBeNone ? choice(EMPTY, some) : some;
}

/** Numbers of no sign between two bounds that are not below zero. */
function sizes(low: Bound, high: Bound, max: DigitMax): Expression {
  const least: Decimal = low?.value ?? { isNegative: false, whole: 0n, fraction: [] };
  const most = high?.value ?? null;
  const lowEnd = { digits: least.fraction, isExclusive: low?.isExclusive ?? false };
  const free = fraction({ low: null, high: null, max });
  if (most === null) {
    return choice(
      sequence(text(String(least.whole)), fraction({ low: lowEnd, high: null, max })),
      sequence(wholeRange(least.whole + 1n, null), free),
    );
  }
  const highEnd = { digits: most.fraction, isExclusive: high!.isExclusive };
  if (most.whole < least.whole) return NEVER;
  if (most.whole === least.whole) {
    return sequence(text(String(least.whole)), fraction({ low: lowEnd, high: highEnd, max }));
  }
  return choice(
    sequence(text(String(least.whole)), fraction({ low: lowEnd, high: null, max })),
    sequence(wholeRange(least.whole + 1n, most.whole - 1n), free),
    sequence(text(String(most.whole)), fraction({ low: null, high: highEnd, max })),
  );
}

const WHOLE = choice(ZERO, sequence(digits(1, 9), repeat(DIGIT, 0, null)));
const EXPONENT = optional(sequence(
  { kind: "bytes", ranges: [[0x45, 0x45], [0x65, 0x65]] },
  optional({ kind: "bytes", ranges: [[0x2b, 0x2b], [0x2d, 0x2d]] }),
  repeat(DIGIT, 1, 3),
));
const ANY_SIZE = sequence(WHOLE, optional(sequence(text("."), repeat(DIGIT, 1, null))), EXPONENT);
const MINUS = text("-");

const isZero = ({ value }: NonNullable<Bound>) => value.whole === 0n && value.fraction.length === 0;

/**
 * Numbers of a range, also whole ones only.
 *
 * @param fractionMax Most digits behind the point; null: any, and exponents where no bound needs
 * digits.
 */
export function numberExpression(
  grammar: Grammar,
  { low, high }: NumberRange,
  fractionMax: DigitMax,
): Expression {
  const key = [low, high, fractionMax].map((part) =>
    JSON.stringify(part, (_, value) => typeof value === "bigint" ? String(value) : value)
  ).join();
  return grammar.shared("number", key, () => {
    const isNonNegative = low !== null && isZero(low) && !low.isExclusive;
    const isNonPositive = high !== null && isZero(high) && !high.isExclusive;
    if (fractionMax === null) {
      if (low === null && high === null) return sequence(optional(MINUS), ANY_SIZE);
      if (isNonNegative && high === null) return ANY_SIZE;
      if (isNonPositive && low === null) return choice(ZERO, sequence(MINUS, ANY_SIZE));
    }
    const paths: Expression[] = [];
    const isBelow = (bound: Bound) => bound !== null && bound.value.isNegative && !isZero(bound);
    if (!isBelow(high)) paths.push(sizes(isBelow(low) ? null : low, high, fractionMax));
    const reaches = low === null || isBelow(low);
    // What is not below zero is no end of the negative ones; minus zero is not written.
    const zero = { value: toDecimal(0), isExclusive: true };
    if (reaches) paths.push(sequence(MINUS, sizes(isBelow(high) ? high : zero, low, fractionMax)));
    return choice(...paths);
  });
}

/** Whole numbers that `divisor` divides, of any size: by the remainder of the digits so far. */
export function multiplesExpression(
  grammar: Grammar,
  divisor: number,
  signs: { hasNegative: boolean; hasPositive: boolean },
): Expression {
  const state = (remainder: number): Expression =>
    grammar.shared("remainder", `${divisor}:${remainder}`, () =>
      choice(
        ...(remainder === 0 ? [EMPTY] : []),
        ...Array.from({ length: 10 }, (_, digit) =>
          sequence(text(String(digit)), state((remainder * 10 + digit) % divisor))),
      ));
  const leading = Array.from(
    { length: 9 },
    (_, index) => sequence(text(String(index + 1)), state((index + 1) % divisor)),
  );
  const sized = choice(...leading);
  return choice(
    ZERO,
    ...(signs.hasPositive ? [sized] : []),
    ...(signs.hasNegative ? [sequence(MINUS, sized)] : []),
  );
}
