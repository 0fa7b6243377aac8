import { assertEquals } from "@std/assert";
import { readBits, writeBits } from "../../src/codec/bits.ts";
import { f16FromNumber, f16ToNumber, isFiniteF16 } from "../../src/codec/f16.ts";
import { seededRandom } from "../support/numeric.ts";

Deno.test("readBits() undoes writeBits() for any sequence of widths", () => {
  const random = seededRandom(1);
  const fields = Array.from({ length: 5000 }, () => {
    const widthBits = Math.floor(random() * 26);
    return { widthBits, value: Math.floor(random() * 2 ** widthBits) };
  });
  const words = new Uint32Array(5000);
  let bit = 0;
  for (const field of fields) {
    writeBits(words, bit, field);
    bit += field.widthBits;
  }
  bit = 0;
  for (const { widthBits, value } of fields) {
    assertEquals(readBits(words, bit, widthBits), value);
    bit += widthBits;
  }
});

Deno.test("writeBits() puts the first field in the lowest bits", () => {
  const words = new Uint32Array(1);
  for (let value = 0; value < 8; value++) writeBits(words, value * 3, { value, widthBits: 3 });
  assertEquals(words[0], 0x00fac688);
});

Deno.test("f16ToNumber() and f16FromNumber() are inverse for every finite f16", () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    if (!isFiniteF16(bits)) continue;
    assertEquals(f16FromNumber(f16ToNumber(bits)), bits);
  }
});

Deno.test("f16ToNumber() gives the values IEEE 754 lists", () => {
  assertEquals(
    [0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x3555].map(f16ToNumber),
    [1, -2, 65504, 2 ** -14, 2 ** -24, 0.333251953125],
  );
});

Deno.test("f16FromNumber() rounds to nearest, ties to even, and to infinity from 65520", () => {
  assertEquals(f16FromNumber(1 + 2 ** -11), 0x3c00);
  assertEquals(f16FromNumber(1 + 3 * 2 ** -11), 0x3c02);
  assertEquals(f16FromNumber(65519.99), 0x7bff);
  assertEquals(f16FromNumber(65520), 0x7c00);
});
