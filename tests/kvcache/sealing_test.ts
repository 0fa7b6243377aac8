/**
 * Sealing inside the running engine: the record in the arena against the CPU codec's record of the
 * raw tile it came from, bit for bit, on keys and values that a model made.
 */

import { assert, assertEquals } from "@std/assert";
import { packPaper } from "../../src/codec/paper/pack.ts";
import { quantisePaper } from "../../src/codec/paper/quantise.ts";
import { repackOrder } from "../../src/codec/repack.ts";
import type { ProfileOptions } from "../../src/engine/types.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { StepHarness } from "../support/step_harness.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

/** Prefills until `blockCount` blocks are packed, checking each; how many records were compared. */
async function checkRecords(
  harness: StepHarness,
  promptIds: readonly number[],
  blockCount: number,
): Promise<number> {
  const { codec, model, runner } = harness;
  assert(codec.id === "paper");
  const { layout, profile } = codec;
  harness.admit(1, promptIds, 2);
  let measured: readonly (readonly number[])[] = [];
  let comparedCount = 0;
  let packedCount = 0;
  while (packedCount < blockCount) {
    const ran = await harness.step();
    assert(ran !== null, "the sequence goes on until its blocks are packed");
    for (const pack of ran.plan.packs) {
      packedCount++;
      for (let layer = 0; layer < model.shape.layerCount; layer++) {
        const tile = await harness.tileWords(pack, layer);
        const block = quantisePaper(model.shape, tile, profile);
        const order = repackOrder(profile.repack, block, layout.packSize);
        const expected = packPaper(layout, block, order);
        assertEquals(measured[pack.jobIndex][layer], expected.length, "the measured words");
        const record = await harness.recordWords(pack, layer, expected.length);
        assertEquals(record, expected, `block ${pack.blockIndex}, layer ${layer}`);
        const isFirst = pack.blockIndex === 0;
        const entry = { word: pack.recordOffsets[layer], tokenCount: 64, isFirst };
        assertEquals(await harness.directoryEntry(pack, layer), entry);
        comparedCount++;
      }
    }
    measured = ran.result.recordWords;
  }
  assert(runner.sealer.bitsPerElement().k > 0);
  return comparedCount;
}

const HEADS = [
  { queryHeadCount: 2, kvHeadCount: 2, headSize: 32, why: "no sharing, head size 32" },
  { queryHeadCount: 4, kvHeadCount: 2, headSize: 64, why: "groups of 2, head size 64" },
  { queryHeadCount: 4, kvHeadCount: 1, headSize: 128, why: "groups of 4, head size 128" },
];
const TINY_CASES = HEADS.flatMap((model, index) => [
  { model, packSize: [8, 16, 32][index], repack: "none" as const },
  { model, packSize: [32, 8, 16][index], repack: "median" as const },
  { model, packSize: [4, 32, 8][index], repack: "greedy" as const },
]);

for (const { model: { why, ...model }, packSize, repack } of TINY_CASES) {
  Deno.test(`sealed blocks of a tiny model equal the CPU codec's bit for bit (${why}, packs of ${packSize}, ${repack})`, () =>
    withTinyModel(model, async (path) => {
      const profile: ProfileOptions = { name: "paper", packSize, repack };
      const options = { profile, slotCount: 1, contextLength: 512 };
      const harness = await StepHarness.open(path, options);
      try {
        assertEquals(await checkRecords(harness, tinyPrompt(400, 5), 3), 6);
      } finally {
        harness.close();
      }
    }));
}

const REAL_CASES: { profile: ProfileOptions; why: string }[] = [
  { profile: { name: "paper" }, why: "as published" },
  { profile: { name: "paper", repack: "median", packSize: 8 }, why: "median, packs of 8" },
  { profile: { name: "paper", repack: "greedy" }, why: "greedy" },
  { profile: { name: "paper", keyRel: 0.02, valueRel: 0.004, packSize: 32 }, why: "8-bit V" },
];

/** Long enough for two packed blocks. */
const TEXT = `The lighthouse keeper wrote down the weather every morning: wind, cloud, the
height of the swell. On 14 March 1887 he noted 3 ships and 41 gulls. "Nothing else," he added, and
then, a line further down, "a bottle with a letter in it." function sum(a, b) { return a + b; } He
could not read the letter, since it was in Portuguese: "não sei onde estou". `.repeat(3);

for (const { profile, why } of REAL_CASES) {
  Deno.test(`sealed blocks of the real model equal the CPU codec's bit for bit (${why})`, async () => {
    const options = { profile, slotCount: 1, contextLength: 512 };
    const harness = await StepHarness.open(defaultModelPath(), options);
    try {
      const tokenizer = createTokenizer(harness.model.file.metadata);
      const ids = tokenizer.tokenize(TEXT, { parseSpecial: false });
      assert(ids.length > 300, `the text has ${ids.length} tokens`);
      assertEquals(await checkRecords(harness, ids, 2), 60);
    } finally {
      harness.close();
    }
  });
}
