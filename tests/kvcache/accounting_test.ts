/** The accounting of bytes against the buffers of the device. */

import { assert, assertEquals } from "@std/assert";
import { RecordLayout } from "../../src/codec/layout.ts";
import { unpackRecord } from "../../src/codec/unpack.ts";
import { cacheBytes } from "../../src/engine/cache_bytes.ts";
import { planCache } from "../../src/engine/load.ts";
import { Gpu } from "../../src/gpu/gpu.ts";
import type { PackOp } from "../../src/scheduler/step_plan.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { StepHarness } from "../support/step_harness.ts";

Deno.test("packed bytes are the records in the arena, and allocated at most 1.1 times as many", async () => {
  const options = { profile: { name: "paper" as const }, slotCount: 3, contextLength: 1024 };
  const harness = await StepHarness.open(defaultModelPath(), options);
  const { scheduler, model, profile, runner } = harness;
  assert(profile.name !== "exact");
  try {
    const lengths = [330, 520, 260];
    lengths.forEach((length, index) => {
      const ids = Array.from({ length }, (_, i) => 1000 + (i * 7919 * (index + 1)) % 40000);
      harness.admit(index, ids, 30);
    });
    const packs: { pack: PackOp; words: readonly number[] }[] = [];
    let measured: readonly (readonly number[])[] = [];
    let stats = scheduler.stats();
    for (let ran = await harness.step(); ran !== null; ran = await harness.step()) {
      for (const pack of ran.plan.packs) packs.push({ pack, words: measured[pack.jobIndex] });
      measured = ran.result.recordWords;
      stats = scheduler.stats();
      if (packs.length >= 9 && stats.runningCount === 3) break;
    }
    assertEquals(stats.sealedBlockCount, packs.length);

    // Every record that is counted can be unpacked from where the directory says it lies.
    const layout = RecordLayout.forProfile(model.shape, profile);
    let recordWords = 0;
    for (const { pack, words } of packs) {
      for (let layer = 0; layer < model.shape.layerCount; layer += 7) {
        assertEquals(await harness.directoryEntry(pack, layer), pack.recordOffsets[layer]);
        unpackRecord(layout, await harness.recordWords(pack, layer, words[layer]));
      }
      recordWords += words.reduce((sum, count) => sum + count, 0);
    }
    const plan = planCache(model, { ...options, profile });
    const bytes = cacheBytes(stats, plan);
    assertEquals(bytes.packed, recordWords * 4);
    const elementCount = model.shape.kvHeadCount * model.shape.headSize * 64 * 2;
    assertEquals(bytes.raw, packs.length * model.shape.layerCount * elementCount * 2);
    assert(bytes.payload < bytes.packed, "payload leaves side data out");
    assert(bytes.allocated <= 1.1 * bytes.packed, `${bytes.allocated} for ${bytes.packed}`);
    const { arena } = runner.cache.sizeBytes;
    const arenaBytes = runner.cache.arenas.reduce((sum, buffer) => sum + buffer.size, 0);
    assertEquals(arena, arenaBytes);
  } finally {
    harness.close();
  }
});

Deno.test("Gpu.allocatedBytes is the sum of the sizes of the buffers that live", async () => {
  const gpu = await Gpu.open();
  const create = gpu.device.createBuffer.bind(gpu.device);
  const made: GPUBuffer[] = [];
  gpu.device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    made.push(buffer);
    return buffer;
  };
  const buffers = [1, 16, 17, 4096].map((size) => gpu.createBuffer(`of ${size}`, size));
  assertEquals(made.length, 4);
  assertEquals(gpu.allocatedBytes, made.reduce((sum, { size }) => sum + size, 0));
  gpu.destroyBuffer(buffers[3]);
  assertEquals(gpu.allocatedBytes, made.slice(0, 3).reduce((sum, { size }) => sum + size, 0));
  gpu.close();
  assertEquals(gpu.allocatedBytes, 0);
});
