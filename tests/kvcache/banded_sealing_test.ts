import { assert, assertEquals } from "@std/assert";
import { checkBanded } from "../../src/codec/banded/check.ts";
import { packBanded, packSinks } from "../../src/codec/banded/pack.ts";
import { quantiseBanded } from "../../src/codec/banded/quantise.ts";
import { repackOrder } from "../../src/codec/repack.ts";
import { cacheBytes } from "../../src/runtime/cache_bytes.ts";
import { planCache } from "../../src/runtime/cache_plan.ts";
import type { ProfileOptions } from "../../src/engine/types.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { StepHarness } from "../support/step_harness.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

/** Prefills until `blockCount` blocks are packed, checking each; words of all records. */
async function checkRecords(
  harness: StepHarness,
  promptIds: readonly number[],
  blockCount: number,
): Promise<number> {
  const { codec, model, runner } = harness;
  assert(codec.id === "banded");
  const { layout, profile, tables } = codec;
  harness.admit(1, promptIds, 2);
  let measured: readonly (readonly number[])[] = [];
  let packedCount = 0;
  let wordCount = 0;
  while (packedCount < blockCount) {
    const ran = await harness.step();
    assert(ran !== null, "the sequence goes on until its blocks are packed");
    for (const pack of ran.plan.packs) {
      packedCount++;
      const hasSinks = pack.blockIndex === 0 && layout.sinkCount > 0;
      for (let layer = 0; layer < model.shape.layerCount; layer++) {
        const tile = await harness.tileWords(pack, layer);
        const firstToken = hasSinks ? layout.sinkCount : 0;
        const block = quantiseBanded(layout, tile, { tables: tables[layer], firstToken });
        const order = repackOrder(profile.repack, block, 8);
        const sinks = hasSinks ? packSinks(layout, tile) : new Uint32Array();
        const expected = packBanded(layout, { block, order, tables: tables[layer] }, sinks);
        assertEquals(measured[pack.jobIndex][layer], expected.length, "the measured words");
        const record = await harness.recordWords(pack, layer, expected.length);
        assertEquals(record, expected, `block ${pack.blockIndex}, layer ${layer}`);
        checkBanded(layout, record, { tables: tables[layer], hasSinks });
        wordCount += record.length;
      }
    }
    measured = ran.result.recordWords;
  }
  const stats = harness.scheduler.stats();
  const plan = planCache(model, { codec, slotCount: 1, contextLength: promptIds.length + 8 });
  const bytes = cacheBytes(stats, plan);
  assertEquals(bytes.packed, wordCount * 4, "packed bytes are the records in the arena");
  assert(bytes.allocated <= 1.1 * bytes.packed, `${bytes.allocated} for ${bytes.packed}`);
  assert(runner.sealer.bitsPerElement().k > 0);
  return wordCount;
}

Deno.test("banded blocks of the real model are the CPU's bit for bit, and every counted byte is in a buffer", async () => {
  const options = { profile: { name: "balanced" as const }, slotCount: 1, contextLength: 512 };
  const harness = await StepHarness.open(defaultModelPath(), options);
  try {
    const ids = Array.from({ length: 320 }, (_, i) => 1000 + (i * 7919) % 40000);
    const wordCount = await checkRecords(harness, ids, 2);
    const rawWords = 2 * 30 * 64 * 192;
    assert(wordCount < rawWords / 4, `${wordCount} words for ${rawWords} raw ones`);
  } finally {
    harness.close();
  }
});

const PROFILES: ProfileOptions[] = [
  { name: "tight", sinkCount: 0 },
  { name: "near-lossless", sinkCount: 16, repack: "greedy" },
  { name: "balanced", keyStep: 0.1, valueStep: 0.1, repack: "median" },
];

for (const profile of PROFILES) {
  Deno.test(`banded blocks of a tiny model are the CPU's bit for bit (${JSON.stringify(profile)})`, () =>
    withTinyModel({ queryHeadCount: 4, kvHeadCount: 2, headSize: 64 }, async (path) => {
      const harness = await StepHarness.open(path, { profile, slotCount: 1, contextLength: 512 });
      try {
        await checkRecords(harness, tinyPrompt(400, 5), 3);
      } finally {
        harness.close();
      }
    }));
}
