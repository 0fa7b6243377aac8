import { assert, assertEquals, assertThrows } from "@std/assert";
import { crc32 } from "node:zlib";
import { Int8Layout, SCALE_WORDS } from "../../../src/codec/int8/layout.ts";
import { packPortableInt8, parsePortableInt8 } from "../../../src/codec/int8/portable.ts";
import { checkInt8, int8Values, packInt8 } from "../../../src/codec/int8/record.ts";
import { rawTileFrom, rawTileValues } from "../../../src/codec/raw_tile.ts";
import { SAMPLE_KINDS, sampleTile } from "../../support/codec_samples.ts";
import { seededRandom } from "../../support/numeric.ts";

const SHAPES = [{ kvHeadCount: 1, headSize: 32 }, { kvHeadCount: 3, headSize: 96 }];

for (const shape of SHAPES) {
  for (const kind of SAMPLE_KINDS) {
    Deno.test(`packInt8() is within half a step of each value (${kind}, ${JSON.stringify(shape)})`, () => {
      const layout = new Int8Layout(shape);
      const tile = sampleTile(kind, shape, 3);
      const record = packInt8(layout, tile);
      assertEquals(record.length, layout.recordWords);
      checkInt8(layout, record);
      const { keys, values } = int8Values(layout, record);
      for (const [side, read] of [keys, values].entries()) {
        const exact = rawTileValues(shape, tile, side as 0 | 1);
        for (let start = 0; start < exact.length; start += shape.headSize) {
          const own = exact.subarray(start, start + shape.headSize);
          const largest = own.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
          // The scale is rounded to 11 bits, so the largest code's place is off by 127 times that.
          const limit = Math.max(largest / 127, 2 ** -14) * (0.5 + 127 * 2 ** -11);
          own.forEach((value, i) => {
            assert(Math.abs(read[start + i] - value) <= limit, `${read[start + i]} for ${value}`);
          });
        }
      }
    });
  }
}

Deno.test("packInt8() refuses infinity and NaN", () => {
  const [shape] = SHAPES;
  for (const bad of [Infinity, -Infinity, NaN]) {
    const tile = rawTileFrom(shape, [0, bad], []);
    assertThrows(() => packInt8(new Int8Layout(shape), tile), RangeError, "infinity or NaN");
  }
});

/** FORMAT.md's example of int8: two values of the first token of K, one of the last of V. */
Deno.test("packInt8() gives the words of FORMAT.md's worked example", async () => {
  const layout = new Int8Layout(SHAPES[0]);
  const keys = new Float32Array(64 * 32);
  keys.set([127, -63.5, 2.25], 0);
  const values = new Float32Array(64 * 32);
  values[63 * 32 + 31] = -0.5;
  const record = packInt8(layout, rawTileFrom(SHAPES[0], keys, values));
  const nonZero = [...record.entries()]
    .filter(([word, value]) => value !== 0 && word % layout.sectionWords >= SCALE_WORDS)
    .map(([word, value]) => `${word}: ${value.toString(16).padStart(8, "0")}`);
  const scales = [0, 1, layout.sectionWords + 31].map((word) => {
    return `${word}: ${record[word].toString(16).padStart(8, "0")}`;
  });
  const text = await Deno.readTextFile(new URL("../../../src/codec/FORMAT.md", import.meta.url));
  for (const line of [...scales, ...nonZero]) assert(text.includes(line), `it lists ${line}`);
  assertEquals(nonZero.length, 2);
  assertEquals(record.length, 2 * (32 + 16 * 32));
});

const BLOCK = {
  ...SHAPES[1],
  records: [1, 2].map((seed) =>
    packInt8(new Int8Layout(SHAPES[1]), sampleTile("gaussian", SHAPES[1], seed))
  ),
};

const SMALL = packInt8(new Int8Layout(SHAPES[0]), sampleTile("gaussian", SHAPES[0], 1));

Deno.test("parsePortableInt8() reads back what packPortableInt8() wrote", () => {
  assertEquals(parsePortableInt8(packPortableInt8(BLOCK)), BLOCK);
});

Deno.test("parsePortableInt8() refuses a block with any byte changed", () => {
  const bytes = packPortableInt8(BLOCK);
  for (let at = 0; at < bytes.length; at += at < 60 ? 1 : 997) {
    const changed = bytes.slice();
    changed[at] ^= 1 + at % 255;
    assertThrows(() => parsePortableInt8(changed), RangeError);
  }
});

Deno.test("20000 changed int8 blocks with their checksum put right are refused with a cause or packed as they are", () => {
  const random = seededRandom(20_241);
  const bytes = packPortableInt8({ ...BLOCK, ...SHAPES[0], records: [SMALL] });
  let acceptedCount = 0;
  for (let index = 0; index < 20_000; index++) {
    const words = new Uint32Array(bytes.slice().buffer);
    const isHeader = random() < 0.5;
    words[Math.floor(random() * (isHeader ? 14 : words.length))] = random() * 2 ** 32;
    let changed = new Uint8Array(words.buffer);
    if (random() < 0.1) changed = changed.slice(0, 4 * Math.floor(random() * words.length));
    if (changed.length >= 48) {
      const view = new DataView(changed.buffer);
      view.setUint32(44, 0, true);
      view.setUint32(44, crc32(changed), true);
    }
    try {
      assertEquals(packPortableInt8(parsePortableInt8(changed)), changed);
      acceptedCount++;
    } catch (error) {
      const isRefusal = error instanceof RangeError && /^Cannot [a-z]+ .+: .+/.test(error.message);
      assert(isRefusal, `case ${index}: ${error instanceof Error ? error.stack : error}`);
    }
  }
  assert(acceptedCount > 1000 && acceptedCount < 15_000, `${acceptedCount} were accepted`);
});

const BROKEN: [what: string, message: string, change: (record: Uint32Array) => Uint32Array][] = [
  ["is cut", "words", (record) => record.slice(4)],
  ["has a scale of 0", "scale 0", (record) => (record[0] &= 0xffff0000, record)],
  ["has an infinite scale", "scale Infinity", (record) => (record[0] = 0x7c007c00, record)],
  ["has code -128", "-128", (record) => (record[SCALE_WORDS] = 0x80, record)],
];

for (const [what, message, change] of BROKEN) {
  Deno.test(`packPortableInt8() refuses a record that ${what}`, () => {
    const records = [change(BLOCK.records[0].slice())];
    assertThrows(() => packPortableInt8({ ...BLOCK, records }), RangeError, message);
  });
}
