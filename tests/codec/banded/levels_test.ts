import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  isCanonical,
  LEVELS,
  packUnit,
  STRETCH,
  UNIT_BITS,
  unitBits,
  unpackDigits,
} from "../../../src/codec/banded/levels.ts";
import { seededRandom } from "../../support/numeric.ts";

function roundTrip(digits: readonly number[], levels: number): number[] {
  const numbers = packUnit(digits, levels);
  const halves = numbers.map((number, index) => {
    const own = index === 1 ? levels / 16 : Math.min(levels, 16);
    assert(number.value < 2 ** number.widthBits, "a number fits its bits");
    assert(isCanonical(number, own));
    return unpackDigits(number, own);
  });
  return Array.from(halves[0], (low, place) => low + 16 * (halves[1]?.[place] ?? 0));
}

Deno.test("unitBits() is ceil(8 log2 levels), in two numbers above 16 levels", () => {
  assertEquals(UNIT_BITS, [0, 8, 13, 16, 19, 21, 23, 24, 26, 27, 28, 32, 40, 48, 56, 64]);
  assertThrows(() => unitBits(12), RangeError, "12 levels");
});

Deno.test("STRETCH leaves room for every number: L^8 (1 + stretch / 2^32) fits the bits", () => {
  for (const [levels, stretch] of STRETCH.entries()) {
    if (stretch === 0) continue;
    const count = BigInt(levels) ** 8n;
    const last = count - 1n;
    const value = last + ((last * BigInt(stretch)) >> 32n) + 1n;
    const bits = BigInt(unitBits(levels));
    // The stretched number lies in [N, N + 1) / L^8 as a fraction of 2^bits.
    assert(value * count >= last << bits && value * count < (last + 1n) << bits, `${levels}`);
    assert(value < 1n << bits, `${levels}`);
  }
});

for (const levels of LEVELS) {
  Deno.test(`unpackDigits() inverts packUnit() at ${levels} levels, at the ends and at random`, () => {
    const random = seededRandom(levels);
    const constant = (digit: number) => Array.from({ length: 8 }, () => digit);
    const ramps = Array.from({ length: 8 }, (_, place) => (place * 37 + 11) % levels);
    const cases = [constant(0), constant(levels - 1), ramps];
    for (let i = 0; i < 300; i++) {
      cases.push(Array.from({ length: 8 }, () => Math.floor(random() * levels)));
    }
    for (const digits of cases) assertEquals(roundTrip(digits, levels), digits);
  });
}

Deno.test("unpackDigits() inverts packUnit() for every unit of 2 and 3 levels", () => {
  for (const levels of [2, 3]) {
    for (let number = 0; number < levels ** 8; number++) {
      const digits = Array.from(number.toString(levels).padStart(8, "0"), Number);
      const [packed] = packUnit(digits, levels);
      const got = unpackDigits(packed, levels);
      if (got.some((digit, place) => digit !== digits[place])) {
        throw new Error(`${digits} came back as ${got}`);
      }
    }
  }
});

Deno.test("packUnit() gives the worked example of FORMAT.md", () => {
  const digits = [2, 1, 0, 2, 1, 0, 2, 1];
  assertEquals(digits.reduce((sum, digit) => 3 * sum + digit, 0), 5299);
  assertEquals(STRETCH[3], 1_067_686_582);
  assertEquals(packUnit(digits, 3), [{ value: 6617, widthBits: 13 }]);
});

Deno.test("packUnit() refuses a digit that is no level", () => {
  assertThrows(() => packUnit([0, 0, 0, 3, 0, 0, 0, 0], 3), RangeError, "digit 3 in 3 levels");
});

Deno.test("isCanonical() tells numbers that no digits give", () => {
  const widthBits = unitBits(3);
  const [packed] = packUnit([2, 1, 0, 2, 1, 0, 2, 1], 3);
  assert(isCanonical(packed, 3));
  const values = new Set<number>();
  for (let value = 0; value < 2 ** widthBits; value++) {
    if (isCanonical({ value, widthBits }, 3)) values.add(value);
  }
  assertEquals(values.size, 3 ** 8);
});
