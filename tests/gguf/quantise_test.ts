import { assert, assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import { dequantise } from "../../src/gguf/dequantise.ts";
import { quantise, type QuantisedType } from "../support/quantise.ts";
import { seededNormals } from "../support/numeric.ts";

/** 32 values: 0 but for the ones given, by index. */
function block(values: Record<number, number>): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: 32 }, (_, index) => values[index] ?? 0);
}

function hex(bytes: Uint8Array): string {
  return bytes.toHex();
}

const F16_ONE = "003c";

/** Worked examples: values, and the bytes that ggml's layout gives them. */
const EXAMPLES: { type: QuantisedType; values: Float32Array; bytes: string; why: string }[] = [
  { type: "F32", values: Float32Array.of(1, -2), bytes: "0000803f000000c0", why: "IEEE 754" },
  { type: "F16", values: Float32Array.of(1, 65504), bytes: `${F16_ONE}ff7b`, why: "IEEE 754" },
  { type: "BF16", values: Float32Array.of(1, -2), bytes: "803f00c0", why: "upper half of f32" },
  {
    type: "BF16",
    values: new Float32Array(Uint32Array.of(0x3f808000, 0x3f818000, 0x3f808001).buffer),
    bytes: "803f823f813f",
    why: "ties go to the even neighbour",
  },
  {
    type: "Q8_0",
    values: block({ 0: 127, 1: -127, 2: 0.5, 3: -0.5, 31: 3 }),
    bytes: `${F16_ONE}7f8101ff${"00".repeat(27)}03`,
    why: "scale 1, halves away from zero",
  },
  {
    type: "Q4_0",
    values: block({ 0: -8, 1: 7, 16: 3, 31: -1 }),
    bytes: `${F16_ONE}b08f${"88".repeat(13)}78`,
    why: "scale 1, codes around 8, second half in the high nibbles",
  },
  {
    type: "Q4_0",
    values: block({ 0: 8, 1: 8 }),
    bytes: `00bc8080${"88".repeat(14)}`,
    why: "a positive extreme makes the scale negative",
  },
  {
    type: "Q4_1",
    values: block({ 0: -5, 1: 10, 17: 10, 31: 2 }),
    bytes: `${F16_ONE}00c550ff${"55".repeat(13)}75`,
    why: "scale 1, minimum -5, second half in the high nibbles",
  },
  { type: "Q8_0", values: block({}), bytes: "00".repeat(34), why: "zeros have scale 0" },
  { type: "Q4_0", values: block({}), bytes: `0080${"88".repeat(16)}`, why: "zeros are code 8" },
  { type: "Q4_1", values: block({}), bytes: "00".repeat(20), why: "zeros have scale 0" },
];

for (const { type, values, bytes, why } of EXAMPLES) {
  Deno.test(`quantise() gives the worked bytes of ${type} (${why})`, () => {
    assertEquals(hex(quantise(type, values)), bytes);
  });
}

Deno.test("dequantise() reads the worked bytes back, at an odd address too", () => {
  for (const { type, values, bytes, why } of EXAMPLES) {
    if (why.includes("ties") || why.includes("halves")) continue;
    const shifted = new Uint8Array(bytes.length / 2 + 1);
    shifted.set(Uint8Array.fromHex(bytes), 1);
    const actual = dequantise(type, shifted.subarray(1), values.length);
    // Adding 0 makes 0 of -0.
    assertEquals(actual.map((value) => value + 0), values, `${type}: ${why}`);
  }
});

/** Largest error of a value, relative to the largest magnitude (or range) of its block. */
const ERROR_MAX: Record<QuantisedType, number> = {
  F32: 0,
  F16: 2 ** -11,
  BF16: 2 ** -8,
  // Half a step, and the rounding of the f16 scale.
  Q8_0: 0.5 / 127 + 2 ** -11,
  // A value opposite to the extreme may lie half a step beyond the last code.
  Q4_0: 1 / 8 + 2 ** -11,
  Q4_1: (0.5 / 15 + 2 ** -11) * 2,
};

for (const [type, errorMax] of Object.entries(ERROR_MAX) as [QuantisedType, number][]) {
  Deno.test(`dequantise() inverts quantise() within the step of ${type}`, () => {
    const values = seededNormals(32 * 64, 7, 0.3);
    values[40] = 9; // an outlier widens its block only
    const actual = dequantise(type, quantise(type, values), values.length);
    for (let first = 0; first < values.length; first += 32) {
      const largest = values.subarray(first, first + 32)
        .reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (let i = first; i < first + 32; i++) {
        assertLessOrEqual(Math.abs(actual[i] - values[i]), errorMax * largest, `value ${i}`);
      }
    }
    if (type !== "F32") assert(actual.some((value, i) => value !== values[i]), "it loses bits");
  });
}

Deno.test("quantise() and dequantise() refuse what is no whole number of blocks", () => {
  assertThrows(() => quantise("Q4_1", new Float32Array(31)), RangeError);
  assertThrows(() => dequantise("Q8_0", new Uint8Array(34), 31), RangeError);
  assertThrows(() => dequantise("Q8_0", new Uint8Array(33), 32), RangeError, "33 bytes, not 34");
});
