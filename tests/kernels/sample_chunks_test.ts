/** Choices by chunks of a row, against the reference and one workgroup for each row. */

import { assertEquals } from "@std/assert";
import { SAMPLE_VARIANTS } from "../../src/kernels/sample/variants.ts";
import { chooseVariant } from "../../src/kernels/variant.ts";
import { ADAPTERS } from "../support/adapters.ts";
import {
  assertReferenceChoices,
  type Draw,
  GREEDY,
  modelLogits,
  PLAIN,
  RULES,
  sample,
} from "../support/sample_draws.ts";

const BY_CHUNKS = { by: "chunks" } as const;

/** Of three chunks, the last not full, and rows that begin at no multiple of 4. */
const VOCAB_SIZE = 4999;

function drawsOf(count: number, settings: Draw["settings"], vocabSize = VOCAB_SIZE): Draw[] {
  return Array.from({ length: count }, (_, row) => ({
    logits: modelLogits(vocabSize, row % 40),
    settings: { ...settings, seed: row * 1000 },
    position: row * 3,
  }));
}

for (const { why, settings } of RULES) {
  Deno.test(`SampleChunksKernel picks the reference's token (${why})`, async () => {
    // At 0.8 what is kept are candidates, at the temperatures of the rules mostly not.
    for (const each of [settings, { ...settings, temperature: 0.8 }]) {
      const draws = drawsOf(33, each);
      assertReferenceChoices(draws, await sample(draws, BY_CHUNKS));
    }
  });
}

Deno.test("SampleChunksKernel picks the reference's token of 262144 (the largest vocabulary)", async () => {
  const settings = { temperature: 1, topK: 50, topP: 0.95, minP: 0.001, seed: 6 };
  const hot = { temperature: 4, topK: 20_000, topP: 0.9, minP: 0.001, seed: 6 };
  const draws = [settings, hot, PLAIN].flatMap((each) => drawsOf(2, each, 2 ** 18));
  assertReferenceChoices(draws, await sample(draws, BY_CHUNKS));
});

Deno.test("SampleChunksKernel takes the lowest of equal ids if greedy, -infinity included", async () => {
  const none = new Float32Array(VOCAB_SIZE).fill(-Infinity);
  const ties = none.slice();
  for (const id of [2047, 2048, 4998]) ties[id] = 9;
  const last = none.slice();
  last[VOCAB_SIZE - 1] = -1e30;
  const draws = [none, ties, last].map((logits) => ({ logits, settings: GREEDY, position: 0 }));
  assertEquals(await sample(draws, BY_CHUNKS), [0, 2047, VOCAB_SIZE - 1]);
});

Deno.test("SampleChunksKernel keeps exactly topK of equal logits, more than there are slots for", async () => {
  const logits = new Float32Array(VOCAB_SIZE);
  const settings = { ...PLAIN, topK: 10 };
  const draws = Array.from({ length: 200 }, (_, position) => ({ logits, settings, position }));
  const ids = new Set(await sample(draws, BY_CHUNKS));
  assertEquals([...ids].sort((a, b) => a - b), Array.from({ length: 10 }, (_, id) => id));
});

Deno.test("SampleChunksKernel never draws a token of weight 0", async () => {
  const logits = new Float32Array(VOCAB_SIZE).fill(-Infinity);
  logits.set([0, 0.5, 1], 2047);
  const cuts = [{}, { topK: 40, topP: 0.9999 }, { minP: 0.1 }];
  for (const cut of cuts) {
    const settings = { ...PLAIN, ...cut };
    const draws = Array.from({ length: 60 }, (_, position) => ({ logits, settings, position }));
    assertEquals(new Set(await sample(draws, BY_CHUNKS)), new Set([2047, 2048, 2049]));
  }
});

Deno.test("SampleChunksKernel's choice depends on its own row alone", async () => {
  const settings = { temperature: 1, topK: 100, topP: 0.9, minP: 0, seed: 4 };
  const draws = drawsOf(12, settings);
  const together = await sample(draws, BY_CHUNKS);
  assertEquals(await sample([...draws].reverse(), BY_CHUNKS), [...together].reverse());
  for (const row of [0, 5]) assertEquals(await sample([draws[row]], BY_CHUNKS), [together[row]]);
});

Deno.test("tokens are chosen by chunks on GPUs where the vocabulary is large", () => {
  const chosen = (adapter: string, vocabSize: number) =>
    chooseVariant("sample", SAMPLE_VARIANTS, { facts: ADAPTERS[adapter], shape: { vocabSize } })
      .name;
  const sizes = [4096, 49_152, 262_144, 600_000];
  for (const adapter of Object.keys(ADAPTERS)) {
    const byChunks = ADAPTERS[adapter].isFallback ? "row" : "chunks";
    assertEquals(sizes.map((size) => chosen(adapter, size)), ["row", byChunks, byChunks, "row"]);
  }
});
