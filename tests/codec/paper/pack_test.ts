import { assert, assertEquals, assertThrows } from "@std/assert";
import { PaperLayout, type PaperLayoutOptions } from "../../../src/codec/paper/layout.ts";
import { KEY, VALUE } from "../../../src/codec/record.ts";
import { packPaper } from "../../../src/codec/paper/pack.ts";
import { quantisePaper } from "../../../src/codec/paper/quantise.ts";
import type { QuantisedBlock } from "../../../src/codec/quantised.ts";
import { repackOrder } from "../../../src/codec/repack.ts";
import { checkPaper, unpackPaper } from "../../../src/codec/paper/unpack.ts";
import { everyWidthBlock, sampleTile, sampleValues } from "../../support/codec_samples.ts";

function reordered(block: QuantisedBlock, order: Uint32Array): QuantisedBlock {
  const sides = block.sides.map(({ codes, params }) => ({
    codes: codes.map((_, i) => codes[i - i % 64 + order[i % 64]]),
    params: params.map((_, i) => params[order[i]]),
  }));
  return { tokenCount: block.tokenCount, sides: [sides[KEY], sides[VALUE]] };
}

const LAYOUTS: (PaperLayoutOptions & { why: string })[] = [
  { kvHeadCount: 1, headSize: 32, packSize: 16, keyBits: 4, valueBits: 3, why: "smallest" },
  { kvHeadCount: 3, headSize: 64, packSize: 16, keyBits: 4, valueBits: 3, why: "default model" },
  { kvHeadCount: 2, headSize: 96, packSize: 8, keyBits: 8, valueBits: 1, why: "small packs" },
  { kvHeadCount: 2, headSize: 64, packSize: 4, keyBits: 6, valueBits: 3, why: "smallest packs" },
  { kvHeadCount: 4, headSize: 128, packSize: 32, keyBits: 5, valueBits: 7, why: "large packs" },
  { kvHeadCount: 1, headSize: 256, packSize: 8, keyBits: 2, valueBits: 6, why: "widest head" },
];

for (const { why, ...options } of LAYOUTS) {
  for (const tokenCount of [1, 17, 63, 64]) {
    Deno.test(`unpackPaper() undoes packPaper() at ${JSON.stringify(options)}, ${tokenCount} tokens (${why})`, () => {
      const layout = new PaperLayout(options);
      const block = everyWidthBlock(layout, tokenCount, 11);
      for (const rule of ["none", "median", "greedy"] as const) {
        const order = repackOrder(rule, block, layout.packSize);
        const record = packPaper(layout, block, order);
        checkPaper(layout, record, tokenCount);
        assertEquals(unpackPaper(layout, record, tokenCount), reordered(block, order));
        assertEquals(record.length % 4, 0);
        assert(record.length >= layout.recordWordsMin, "at least the fixed words");
        assert(record.length <= layout.recordWordsMax, "at most the worst case");
      }
    });
  }
}

Deno.test("packPaper() reaches both size limits", () => {
  const layout = new PaperLayout(LAYOUTS[1]);
  const empty = everyWidthBlock(layout, 64, 1);
  for (const side of empty.sides) side.codes.fill(1);
  const order = repackOrder("none", empty, layout.packSize);
  assertEquals(packPaper(layout, empty, order).length, layout.recordWordsMin);
  for (const side of [KEY, VALUE]) {
    const { codes } = empty.sides[side];
    for (let i = 0; i < codes.length; i++) codes[i] = (i & 1) * (2 ** layout.bits(side) - 1);
  }
  assertEquals(packPaper(layout, empty, order).length, layout.recordWordsMax);
});

Deno.test("packPaper() refuses a code that does not fit", () => {
  const layout = new PaperLayout(LAYOUTS[0]);
  const block = everyWidthBlock(layout, 64, 1);
  block.sides[VALUE].codes[5] = 8;
  assertThrows(
    () => packPaper(layout, block, repackOrder("none", block, layout.packSize)),
    RangeError,
    "code 8",
  );
});

Deno.test("repackOrder() median sorts by lower median, ties by token", () => {
  const layout = new PaperLayout(LAYOUTS[0]);
  const block = everyWidthBlock(layout, 5, 1);
  const { codes } = block.sides[VALUE];
  const medians = [2, 5, 2, 7, 5];
  for (let channel = 0; channel < 32; channel++) {
    for (let token = 0; token < 5; token++) {
      // 16 of 32 codes are at most the median, the others above it.
      codes[channel * 64 + token] = channel < 16 ? medians[token] : 7;
    }
  }
  const order = repackOrder("median", block, layout.packSize);
  assertEquals([...order.subarray(0, 6)], [3, 1, 4, 0, 2, 5]);
  assertEquals([...order].sort((a, b) => a - b), Array.from({ length: 64 }, (_, i) => i));
});

/** Bits of one side by the published formulas, in f64, with nothing of the codec. */
function publishedBits(values: Float32Array, rel: number, codeWidth: number): number {
  const channelCount = values.length / 64;
  const codes = new Float64Array(values.length);
  for (let token = 0; token < 64; token++) {
    const row = values.subarray(token * channelCount, (token + 1) * channelCount);
    const step = (Math.max(...row) - Math.min(...row)) * rel;
    const zero = Math.round(Math.min(...row) / step);
    row.forEach((x, c) => codes[token * channelCount + c] = Math.round(x / step) - zero);
  }
  let bits = 64 * 32;
  for (let pack = 0; pack < 4 * channelCount; pack++) {
    const own = Array.from(
      { length: 16 },
      (_, i) =>
        codes[(Math.floor(pack / channelCount) * 16 + i) * channelCount + pack % channelCount],
    );
    bits += codeWidth + Math.ceil(Math.log2(codeWidth + 1));
    bits += 16 * Math.ceil(Math.log2(Math.max(...own) - Math.min(...own) + 1));
  }
  return bits;
}

Deno.test("packPaper() takes as many bits as the published algorithm, within 0.5%", () => {
  const shape = { kvHeadCount: 3, headSize: 64 };
  const block = quantisePaper(shape, sampleTile("gaussian", shape, 21), {
    keyRel: 0.1,
    valueRel: 0.2,
  });
  const layout = new PaperLayout({ ...shape, packSize: 16, keyBits: 4, valueBits: 3 });
  const record = packPaper(layout, block, repackOrder("none", block, layout.packSize));
  const expected = publishedBits(sampleValues("gaussian", 192, 21), 0.1, 4) +
    publishedBits(sampleValues("gaussian", 192, 121), 0.2, 3);
  // Ours adds the section table, whole words per section, and padding: at most 12 + 9 words.
  const actual = record.length * 32 - layout.sectionCount * 32;
  assert(Math.abs(actual / expected - 1) < 0.005, `${actual} bits, published ${expected}`);
});
