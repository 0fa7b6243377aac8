import { assert, assertEquals } from "@std/assert";
import { PaperLayout } from "../../src/codec/paper/layout.ts";
import { measurePaper } from "../../src/codec/paper/pack.ts";
import { quantisePaper } from "../../src/codec/paper/quantise.ts";
import type { QuantisedBlock } from "../../src/codec/quantised.ts";
import { repackOrder } from "../../src/codec/repack.ts";
import { everyWidthBlock, SAMPLE_KINDS, sampleTile } from "../support/codec_samples.ts";

const SHAPE = { kvHeadCount: 2, headSize: 64 };
const BITS = { keyBits: 4, valueBits: 3 };
const RULES = ["none", "median", "greedy"] as const;

/** K and V codes of a token, side by side. */
function codesOf(block: QuantisedBlock, token: number): number[] {
  return block.sides.flatMap(({ codes }) => [...codes.filter((_, i) => i % 64 === token)]);
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]) =>
    x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) === 0 ? 0 : dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** Sum over the channels of `ceil(log2(max - min + 1))`. */
function packCost(tokens: readonly number[][]): number {
  return tokens[0].reduce((sum, _, channel) => {
    const own = tokens.map((codes) => codes[channel]);
    return sum + Math.ceil(Math.log2(Math.max(...own) - Math.min(...own) + 1));
  }, 0);
}

/** Fails unless each token is the one the published rule takes, by its own formulas in f64. */
function assertGreedy(block: QuantisedBlock, order: readonly number[], packSize: number): void {
  const tokens = order.map((_, token) => codesOf(block, token));
  for (const [place, taken] of order.entries()) {
    const left = order.slice(place);
    const pack = order.slice(place - place % packSize, place).map((token) => tokens[token]);
    const mean = tokens[0].map((_, channel) =>
      left.reduce((sum, token) => sum + tokens[token][channel], 0) / left.length
    );
    const loss = (token: number) =>
      pack.length === 0 ? -cosine(tokens[token], mean) : packCost([...pack, tokens[token]]);
    for (const other of left) {
      const gain = loss(taken) - loss(other);
      assert(gain < 1e-12, `place ${place}: ${other} is ${gain} better than ${taken}`);
      if (gain > -1e-12) assert(taken <= other, `place ${place}: ${other} comes before ${taken}`);
    }
  }
}

for (const packSize of [4, 8, 16, 32]) {
  for (const tokenCount of [1, 8, 41, 64]) {
    Deno.test(`repackOrder() places each present token once (packs of ${packSize}, ${tokenCount} tokens)`, () => {
      const layout = new PaperLayout({ ...SHAPE, ...BITS, packSize });
      const block = everyWidthBlock(layout, tokenCount, packSize + tokenCount);
      for (const rule of RULES) {
        const order = [...repackOrder(rule, block, packSize)];
        const present = order.slice(0, tokenCount).sort((a, b) => a - b);
        assertEquals([...present, ...order.slice(tokenCount)], Array.from(order, (_, i) => i));
      }
    });
  }
}

for (const kind of SAMPLE_KINDS) {
  Deno.test(`repackOrder() greedy takes what the published rule takes (${kind})`, () => {
    for (const [packSize, tokenCount] of [[4, 64], [8, 64], [16, 61], [32, 64]]) {
      const options = { keyRel: 0.1, valueRel: 0.2, tokenCount };
      const block = quantisePaper(SHAPE, sampleTile(kind, SHAPE, packSize), options);
      const order = repackOrder("greedy", block, packSize);
      assertGreedy(block, [...order.subarray(0, tokenCount)], packSize);
    }
  });
}

Deno.test("repackOrder() greedy keeps the original order of equal tokens", () => {
  const layout = new PaperLayout({ ...SHAPE, ...BITS, packSize: 16 });
  for (const code of [0, 3]) {
    const block = everyWidthBlock(layout, 64, 1);
    for (const { codes } of block.sides) codes.fill(code);
    assertEquals([...repackOrder("greedy", block, 16)], Array.from({ length: 64 }, (_, i) => i));
  }
});

Deno.test("repackOrder() greedy parts two kinds of tokens, so that their packs take no bits", () => {
  const layout = new PaperLayout({ ...SHAPE, ...BITS, packSize: 32 });
  const block = everyWidthBlock(layout, 64, 1);
  for (const { codes } of block.sides) {
    // Odd tokens have the larger sum, and so the mean is closer to them.
    codes.forEach((_, i) => codes[i] = (i >> 6) % 2 === i % 2 ? 1 + 2 * (i % 2) : 0);
  }
  const expected = Array.from(
    { length: 64 },
    (_, place) => (place % 32) * 2 + (place < 32 ? 1 : 0),
  );
  const order = repackOrder("greedy", block, 32);
  assertEquals([...order], expected);
  assertEquals(measurePaper(layout, block, order).every((words) => words === 0), true);
});

Deno.test("repackOrder() greedy takes fewer words than no repacking", () => {
  for (const packSize of [4, 8, 16, 32]) {
    const layout = new PaperLayout({ ...SHAPE, ...BITS, packSize });
    const options = { keyRel: 0.1, valueRel: 0.2 };
    const block = quantisePaper(SHAPE, sampleTile("gaussian", SHAPE, 3), options);
    const [none, , greedy] = RULES.map((rule) =>
      measurePaper(layout, block, repackOrder(rule, block, packSize))
        .reduce((sum, words) => sum + words, 0)
    );
    assert(greedy < none, `packs of ${packSize}: ${greedy} words, without ${none}`);
  }
});
