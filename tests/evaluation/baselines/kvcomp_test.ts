import { assertAlmostEquals, assertEquals } from "@std/assert";
import { baselineRewriter } from "../../../src/evaluation/baselines/baseline.ts";
import { huffmanBits } from "../../../src/evaluation/baselines/huffman.ts";
import { kvcomp } from "../../../src/evaluation/baselines/kvcomp.ts";
import { rawTileFrom } from "../../../src/codec/raw_tile.ts";

const SHAPE = { kvHeadCount: 1, headSize: 32 };
/** Scales, places of vectors and blocks, by hand: 64 tokens of 32 channels. */
const SIDE_BITS = {
  k: 24 / 2048 + 19.5 / 32 + 48 / 2048,
  v: 24 / 32 + 19.5 / 64 + 48 / 2048,
};

/** In token `t` channel `c`: 0, 1 or 20. */
function sampleValues(): Float32Array {
  return Float32Array.from({ length: 64 * 32 }, (_, i) => [0, 0, 1, 20][i % 4]);
}

Deno.test("huffmanBits() counts what a Huffman code takes", () => {
  // Lengths 1, 2, 3, 3.
  assertEquals(huffmanBits([8, 4, 2, 2]), 8 + 8 + 6 + 6);
  assertEquals(huffmanBits([0, 5, 0]), 0);
  assertEquals(huffmanBits([1, 1, 1, 1, 1]), 12);
});

Deno.test("kvcomp() gives a block of keys one step, 0.05 of its range", () => {
  const values = sampleValues();
  values[33] = 0.6;
  kvcomp(SHAPE).readBackKeys({ shape: SHAPE, values, firstToken: 0 });
  const expected = sampleValues();
  expected[33] = 1;
  assertEquals(values, expected);
});

Deno.test("kvcomp() gives a token of values one step, 0.1 of its range", () => {
  const values = sampleValues();
  for (let channel = 0; channel < 32; channel++) values[32 + channel] = channel % 11;
  kvcomp(SHAPE).readBackValues({ shape: SHAPE, values, firstToken: 0 });
  assertEquals([...values.subarray(0, 4)], [0, 0, 2, 20]);
  assertEquals([...values.subarray(32, 43)], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

const noRope = (): never => {
  throw new Error("it is not asked for");
};

Deno.test("kvcomp() counts its codes by Huffman, anew in each run, and all side data", () => {
  const codec = kvcomp(SHAPE);
  const baseline = { name: "kvcomp", codec, sinkTokenCount: 0 };
  for (const run of [1, 2]) {
    const rewrite = baselineRewriter(baseline, SHAPE, { ropeOf: noRope });
    rewrite(rawTileFrom(SHAPE, sampleValues(), sampleValues()), { layer: 3, blockIndex: 1 });
    // K: 0, 1 and 20 come 2 : 1 : 1. V: steps of 2.
    assertEquals(codec.codeBits.k, 1.5, `run ${run}`);
    assertAlmostEquals(codec.bits.k, 1.5 + SIDE_BITS.k, 1e-9);
    assertAlmostEquals(codec.bits.v - codec.codeBits.v, SIDE_BITS.v, 1e-9);
  }
});
