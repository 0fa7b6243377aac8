import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { bytesAt, take, withMemory } from "../../../src/codec/cold/kernel_memory.ts";
import { rawTileFrom, rawTileValues } from "../../../src/codec/raw_tile.ts";
import { XquantCodec } from "../../../src/codec/xquant/codec.ts";
import { XquantLayout } from "../../../src/codec/xquant/layout.ts";
import { checkXquant, packXquant } from "../../../src/codec/xquant/record.ts";
import { XQUANT_PROFILES } from "../../../src/codec/xquant/settings.ts";
import { xquant } from "../../../src/evaluation/baselines/xquant.ts";
import { SAMPLE_KINDS, sampleTile } from "../../support/codec_samples.ts";

const SHAPES = [{ kvHeadCount: 1, headSize: 32 }, { kvHeadCount: 3, headSize: 96 }];

function codecOf(shape: typeof SHAPES[number], settings: { bits?: string; shrink?: number } = {}) {
  return new XquantCodec(shape, XQUANT_PROFILES.profile({ name: "xquant", ...settings }));
}

/** Records of two layers: codes and steps, and steps alone. */
function recordsOf(codec: XquantCodec, tiles: readonly Uint32Array[]) {
  return tiles.map((tile, layer) => codec.pack(tile, { layer }));
}

for (const [index, shape] of SHAPES.entries()) {
  for (const bits of ["2", "1"] as const) {
    Deno.test(`XquantCodec reads what the plain reference reads, with own codes and those before (${shape.headSize} channels, ${bits} bits)`, () => {
      const codec = codecOf(shape, { bits });
      // Where f16 has few bits left, or too few, steps are rounded as no reference does.
      for (const kind of ["gaussian", "outlier", "constant", "zero"] as const) {
        const reference = xquant(bits === "2" ? 2 : 1, shape);
        reference.start!();
        const tiles = [0, 1].map((layer) => sampleTile(kind, shape, 40 + layer + index));
        const records = recordsOf(codec, tiles);
        for (const [layer, record] of records.entries()) {
          const before = layer === 1 ? records[0] : null;
          const { keys, values } = codec.unpack(record, { layer, blockIndex: 0 }, before);
          const [k, v] = [0, 1].map((side) => rawTileValues(shape, tiles[layer], side as 0 | 1));
          const largest = Math.max(...k.map(Math.abs), ...v.map(Math.abs));
          const origin = { layer, tile: tiles[layer] };
          reference.readBackKeys({ shape, values: k, firstToken: 0 }, origin);
          reference.readBackValues({ shape, values: v, firstToken: 0 }, origin);
          // A shrink in units of 1/2048, and steps of 11 bits: half a step would be far more.
          k.forEach((value, i) => assertAlmostEquals(keys[i], value, largest * 2e-3, kind));
          v.forEach((value, i) => assertAlmostEquals(values[i], value, largest * 2e-3, kind));
        }
      }
    });
  }
}

Deno.test("records of odd layers are the minima and steps alone, a quarter and less of the others", () => {
  for (const [shape, own, codeless] of [[SHAPES[0], 2 * 128 + 96, 96], [SHAPES[1], 2784, 480]]) {
    const codec = codecOf(shape as typeof SHAPES[number]);
    const records = recordsOf(
      codec,
      [1, 2].map((seed) => sampleTile("gaussian", codec.layout, seed)),
    );
    assertEquals(records.map(({ length }) => length), [own, codeless]);
    assertEquals([codec.recordWords, codec.codelessWords], [{ min: own, max: own }, codeless]);
  }
});

Deno.test("a record is within half a step of each value where nothing is moved in", () => {
  const [shape] = SHAPES;
  const codec = codecOf(shape, { shrink: 0 });
  for (const kind of SAMPLE_KINDS) {
    const tile = sampleTile(kind, shape, 3);
    const read = codec.unpack(codec.pack(tile, { layer: 0 }), { layer: 0, blockIndex: 0 });
    const exact = rawTileValues(shape, tile, 0);
    for (let channel = 0; channel < shape.headSize; channel++) {
      const own = Array.from({ length: 64 }, (_, token) => exact[token * shape.headSize + channel]);
      const range = Math.max(...own) - Math.min(...own);
      // A step is rounded to 11 bits, below 2^-14 to units of 2^-24, and is at most 65504.
      const limit = range / 6 * (1 + 2 ** -8) + 2 ** -23;
      own.forEach((value, token) => {
        const other = read.keys[token * shape.headSize + channel];
        assert(Math.abs(other - value) <= limit, `${kind}: ${other} for ${value}, of ${range}`);
      });
    }
  }
});

/** FORMAT.md's example of xquant: four tokens of a channel of K, one of V. */
Deno.test("packXquant() gives the words of FORMAT.md's worked example", async () => {
  const [shape] = SHAPES;
  const codec = codecOf(shape);
  const keys = new Float32Array(64 * 32);
  [-1, 0.5, 1, 2].forEach((value, token) => keys[token * 32 + 1] = value);
  const values = new Float32Array(64 * 32);
  values[63 * 32 + 31] = 1.5;
  const record = packXquant(codec.layout, rawTileFrom(shape, keys, values), true);
  const nonZero = [...record.entries()].filter(([, value]) => value !== 0)
    .map(([word, value]) => `${word}: ${value.toString(16).padStart(8, "0")}`);
  const text = await Deno.readTextFile(new URL("../../../src/codec/FORMAT.md", import.meta.url));
  const [, listing] = text.match(/## 10\. XQuant[^]*?```text\n([^`]*)```/)!;
  // All tokens behind the fourth are 0, a third of the range above -1.
  const zeros = nonZero.filter((line) => line.endsWith(": 00000004"));
  assertEquals(zeros.length, 60);
  const others = nonZero.filter((line) => !zeros.includes(line));
  assertEquals(listing.trim().split("\n"), others);
  const read = codec.unpack(record, { layer: 0, blockIndex: 0 });
  const four = [0, 1, 2, 3].map((token) => read.keys[token * 32 + 1]);
  four.forEach((value, i) => assertAlmostEquals(value, [-0.865, 0.955, 0.955, 1.865][i], 2e-3));
});

Deno.test("packXquant() refuses infinity and NaN", () => {
  const [shape] = SHAPES;
  const { layout } = codecOf(shape);
  for (const bad of [Infinity, -Infinity, NaN]) {
    const tile = rawTileFrom(shape, [0, bad], []);
    for (const hasCodes of [true, false]) {
      assertThrows(() => packXquant(layout, tile, hasCodes), RangeError, "infinity or NaN");
    }
  }
});

Deno.test("a record without codes is not read without those of the layer before", () => {
  const codec = codecOf(SHAPES[0]);
  const record = codec.pack(sampleTile("gaussian", SHAPES[0], 1), { layer: 1 });
  assertThrows(
    () => codec.unpack(record, { layer: 1, blockIndex: 0 }),
    TypeError,
    "that of the layer before is missing",
  );
});

const BROKEN: [what: string, message: string, change: (record: Uint32Array) => Uint32Array][] = [
  ["is cut", "words", (record) => record.slice(4)],
  ["has a minimum of NaN", "minimum NaN", (record) => (record[3] |= 0x7e00, record)],
  ["has an infinite step", "step Infinity", (record) => (record[0] = 0x7c000000, record)],
  ["has a negative step", "step -2", (record) => (record[95] = 0xc0000000, record)],
];

for (const [what, message, change] of BROKEN) {
  Deno.test(`rows of a record that ${what} are refused`, () => {
    const { layout, rows } = codecOf(SHAPES[0]);
    for (const layer of [0, 1]) {
      const record = packXquant(layout, sampleTile("gaussian", SHAPES[0], 1), layer === 0);
      const broken = change(record.slice());
      assertThrows(() => checkXquant(layout, broken), RangeError, message);
      if (broken.length !== record.length) continue;
      withMemory(() => {
        const at = take(rows.rowCountMax * 64);
        const count = rows.split(broken, layer, at);
        assertEquals(bytesAt(at, count * 64).length, 4 * record.length);
        assertThrows(() => rows.join({ at, count }, layer), RangeError, message);
      });
    }
  });
}

Deno.test("a layout refuses heads that no kernel takes", () => {
  const profile = XQUANT_PROFILES.profile({ name: "xquant" });
  const refused = (shape: { kvHeadCount: number; headSize: number }, message: string) =>
    assertThrows(() => new XquantLayout(shape, profile), RangeError, message);
  refused({ kvHeadCount: 0, headSize: 64 }, "kvHeadCount is 0");
  refused({ kvHeadCount: 1, headSize: 48 }, "headSize is 48");
});
