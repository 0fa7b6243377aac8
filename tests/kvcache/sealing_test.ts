/**
 * Sealing inside the running engine: the record in the arena against the CPU codec's record of the
 * raw tile it came from, bit for bit, on keys and values that a model made.
 */

import { assert, assertEquals } from "@std/assert";
import { checkBanded } from "../../src/codec/banded/check.ts";
import type { ProfileOptions } from "../../src/codec/profile_types.ts";
import { cacheBytes } from "../../src/runtime/cache_bytes.ts";
import { planCache } from "../../src/runtime/cache_plan.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { defaultModelPath } from "../support/default_model.ts";
import type { LoadedModel } from "../../src/runtime/load_model.ts";
import { StepHarness, withLoadedModel } from "../support/step_harness.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

interface Compared {
  recordCount: number;
  wordCount: number;
}

/** Prefills until `blockCount` blocks are packed, checking each. */
async function checkRecords(
  harness: StepHarness,
  promptIds: readonly number[],
  blockCount: number,
): Promise<Compared> {
  const { codec, model, runner, scheduler } = harness;
  harness.admit(1, promptIds, 2);
  let measured: readonly (readonly number[])[] = [];
  const compared = { recordCount: 0, wordCount: 0 };
  let packedCount = 0;
  const tiles = new Map<number, Uint32Array[]>();
  while (packedCount < blockCount) {
    const ran = await harness.step();
    assert(ran !== null, "the sequence goes on until its blocks are packed");
    for (const pack of ran.plan.packs) {
      packedCount++;
      const { blockIndex } = pack;
      for (let layer = 0; layer < model.plan.shape.layerCount; layer++) {
        const tile = tiles.get(blockIndex)![layer];
        const expected = codec.pack(tile, { layer, blockIndex });
        assertEquals(measured[pack.jobIndex][layer], expected.length, "the measured words");
        const record = await harness.recordWords(pack, layer, expected.length);
        assertEquals(record, expected, `block ${blockIndex}, layer ${layer}`);
        const word = pack.recordOffsets[layer];
        const entry = { word, tokenCount: 64, isFirst: blockIndex === 0 };
        assertEquals(await harness.directoryEntry(pack, layer), entry);
        if (codec.id === "banded") {
          const hasSinks = blockIndex === 0 && codec.sinkCount > 0;
          checkBanded(codec.layout, record, { tables: codec.tables[layer], hasSinks });
        }
        compared.recordCount++;
        compared.wordCount += record.length;
      }
    }
    measured = ran.result.recordWords;
    for (const measure of ran.plan.measures) {
      const own: Uint32Array[] = [];
      for (let layer = 0; layer < model.plan.shape.layerCount; layer++) {
        own.push(await harness.tileWords(measure, layer));
      }
      tiles.set(measure.blockIndex, own);
    }
  }
  const plan = planCache(model, { codec, slotCount: 1, contextLength: promptIds.length + 8 });
  const bytes = cacheBytes(scheduler.stats(), plan);
  assertEquals(bytes.packed, compared.wordCount * 4, "packed bytes are the records in the arena");
  assert(bytes.allocated <= 1.1 * bytes.packed, `${bytes.allocated} for ${bytes.packed}`);
  assert(runner.sealer.bitsPerElement().k > 0);
  return compared;
}

/** The same with a cache of its own on a model, which stays. */
async function checkModel(
  model: LoadedModel,
  profile: ProfileOptions,
  { promptIds, blockCount }: { promptIds: readonly number[]; blockCount: number },
): Promise<Compared> {
  const options = { profile, slotCount: 1, contextLength: 512 };
  const harness = await StepHarness.on(model, options);
  try {
    return await checkRecords(harness, promptIds, blockCount);
  } finally {
    harness.runner.destroy();
  }
}

const HEADS = [
  { queryHeadCount: 2, kvHeadCount: 2, headSize: 32, why: "no sharing, head size 32" },
  { queryHeadCount: 4, kvHeadCount: 2, headSize: 64, why: "groups of 2, head size 64" },
  { queryHeadCount: 4, kvHeadCount: 1, headSize: 128, why: "groups of 4, head size 128" },
  { queryHeadCount: 2, kvHeadCount: 1, headSize: 512, why: "head size 512" },
];
const TINY_PROFILES: ProfileOptions[][] = HEADS.slice(0, 3).map((_, index) => [
  { name: "paper", packSize: [8, 16, 32][index], repack: "none" },
  { name: "paper", packSize: [32, 8, 16][index], repack: "median" },
  { name: "paper", packSize: [4, 32, 8][index], repack: "greedy" },
  { name: "exact" },
  { name: "int8" },
]);
TINY_PROFILES[1].push(
  { name: "xquant", bits: "2-1" },
  { name: "deltakv", neighbourCount: 1 },
  { name: "tight", sinkCount: 0 },
  { name: "near-lossless", sinkCount: 16 },
  { name: "balanced", keyStep: 0.1, valueStep: 0.1, sinkCount: 3 },
);

TINY_PROFILES.push([
  { name: "paper", packSize: 8, repack: "greedy" },
  { name: "balanced" },
  { name: "int8" },
]);

for (const [index, { why, ...sizes }] of HEADS.entries()) {
  Deno.test(`sealed blocks of a tiny model equal the CPU codec's bit for bit (${why})`, (t) =>
    withTinyModel(sizes, (path) =>
      withLoadedModel(path, async (model) => {
        const promptIds = tinyPrompt(400, 5);
        for (const profile of TINY_PROFILES[index]) {
          await t.step(JSON.stringify(profile), async () => {
            const { recordCount } = await checkModel(model, profile, { promptIds, blockCount: 3 });
            assertEquals(recordCount, 6);
          });
        }
      })));
}

const REAL_CASES: { profile: ProfileOptions; why: string }[] = [
  { profile: { name: "paper" }, why: "as published" },
  { profile: { name: "paper", repack: "median", packSize: 8 }, why: "median, packs of 8" },
  { profile: { name: "paper", repack: "greedy" }, why: "greedy" },
  { profile: { name: "paper", keyRel: 0.02, valueRel: 0.004, packSize: 32 }, why: "8-bit V" },
  { profile: { name: "balanced" }, why: "banded, in less than a quarter of raw ones' bytes" },
  { profile: { name: "int8" }, why: "int8" },
];

/** Long enough for two packed blocks. */
const TEXT = `The lighthouse keeper wrote down the weather every morning: wind, cloud, the
height of the swell. On 14 March 1887 he noted 3 ships and 41 gulls. "Nothing else," he added, and
then, a line further down, "a bottle with a letter in it." function sum(a, b) { return a + b; } He
could not read the letter, since it was in Portuguese: "não sei onde estou". `.repeat(3);

Deno.test("sealed blocks of the real model equal the CPU codec's bit for bit", (t) =>
  withLoadedModel(defaultModelPath(), async (model) => {
    const tokenizer = createTokenizer(model.file.metadata, model.file.tensors);
    const promptIds = Array.from(tokenizer.tokenize(TEXT, { parseSpecial: false }));
    assert(promptIds.length > 300, `the text has ${promptIds.length} tokens`);
    for (const { profile, why } of REAL_CASES) {
      await t.step(why, async () => {
        const compared = await checkModel(model, profile, { promptIds, blockCount: 2 });
        const { recordCount, wordCount } = compared;
        assertEquals(recordCount, 60);
        if (profile.name !== "balanced") return;
        const rawWords = 2 * 30 * 64 * 192;
        assert(wordCount < rawWords / 4, `${wordCount} words for ${rawWords} raw ones`);
      });
    }
  }));
