/** The accounting of bytes against the buffers of the device. */

import { assert, assertEquals } from "@std/assert";
import { checkPaper } from "../../src/codec/paper/unpack.ts";
import { cacheBytes } from "../../src/runtime/cache_bytes.ts";
import { planCache } from "../../src/runtime/cache_plan.ts";
import { openGpu } from "../../src/gpu/open_gpu.ts";
import type { PackOp } from "../../src/scheduler/step_plan.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { StepHarness } from "../support/step_harness.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

/** Fails if two of these ranges of words share one. */
function assertSeparate(ranges: { arena: number; start: number; end: number }[]): void {
  ranges.sort((a, b) => a.arena - b.arena || a.start - b.start);
  for (const [index, range] of ranges.slice(1).entries()) {
    const before = ranges[index];
    assert(before.arena !== range.arena || before.end <= range.start, "records do not overlap");
  }
}

Deno.test("packed bytes are the records in the arena, and allocated at most 1.1 times as many", async () => {
  const options = { profile: { name: "paper" as const }, slotCount: 3, contextLength: 1024 };
  const harness = await StepHarness.open(defaultModelPath(), options);
  const { scheduler, model, codec, runner } = harness;
  assert(codec.id === "paper");
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

    // Where the directory says, there is a whole record of exactly as many words as are counted.
    const { layout } = codec;
    let recordWords = 0;
    for (const { pack, words } of packs) {
      for (let layer = 0; layer < model.shape.layerCount; layer++) {
        const isFirst = pack.blockIndex === 0;
        const entry = { word: pack.recordOffsets[layer], tokenCount: 64, isFirst };
        assertEquals(await harness.directoryEntry(pack, layer), entry);
        const record = await harness.recordWords(pack, layer, words[layer]);
        checkPaper(layout, record, 64);
        recordWords += record.length;
      }
    }
    assertSeparate(packs.flatMap(({ pack, words }) => {
      return pack.recordOffsets.map((start, layer) => ({
        arena: runner.cache.shape.stores[runner.cache.storeOf(layer)].group,
        start,
        end: start + words[layer],
      }));
    }));
    const { slotCount, contextLength } = options;
    const plan = planCache(model, { codec, slotCount, contextLength });
    const bytes = cacheBytes(stats, plan);
    assertEquals(bytes.packed, recordWords * 4);
    const elementCount = model.shape.kvHeadCount * model.shape.headSize * 64 * 2;
    assertEquals(bytes.raw, packs.length * model.shape.layerCount * elementCount * 2);
    assert(bytes.payload < bytes.packed, "payload leaves side data out");
    assert(bytes.allocated <= 1.1 * bytes.packed, `${bytes.allocated} for ${bytes.packed}`);
    const { arena } = runner.cache.sizeBytes;
    const arenaBytes = runner.cache.arenas.reduce((sum, buffer) => sum + buffer.size, 0);
    assertEquals(arena, arenaBytes);
    [0, 1, 2].forEach((id) => scheduler.abort(id));
    const empty = { raw: 0, payload: 0, packed: 0, allocated: 0 };
    assertEquals(cacheBytes(scheduler.stats(), plan), empty);
  } finally {
    harness.close();
  }
});

Deno.test("Gpu.allocatedBytes is the sum of the sizes of the buffers that live", async () => {
  const gpu = await openGpu();
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

for (const name of ["exact", "paper"] as const) {
  Deno.test(`deviceBytes of a running engine is the sum of its buffers, staging included (${name})`, () =>
    withTinyModel({}, async (path) => {
      const live = new Map<GPUBuffer, number>();
      const { createBuffer } = GPUDevice.prototype;
      const { destroy } = GPUBuffer.prototype;
      GPUDevice.prototype.createBuffer = function (descriptor) {
        const buffer = createBuffer.call(this, descriptor);
        live.set(buffer, buffer.size);
        return buffer;
      };
      GPUBuffer.prototype.destroy = function () {
        live.delete(this);
        return destroy.call(this);
      };
      const sum = () => [...live.values()].reduce((total, size) => total + size, 0);
      try {
        const options = { profile: { name }, slotCount: 2, contextLength: 512 };
        const harness = await StepHarness.open(path, options);
        const { gpu } = harness.model;
        const opened = gpu.allocatedBytes;
        assertEquals(opened, sum());
        harness.admit(1, tinyPrompt(300, 1), 20);
        harness.admit(2, tinyPrompt(400, 2), 20);
        while (await harness.step() !== null);
        assertEquals([gpu.allocatedBytes, sum()], [opened, opened]);
        harness.runner.destroy();
        // What is left are the weights.
        assertEquals(gpu.allocatedBytes, harness.model.weights.sizeBytes);
        assertEquals(sum(), gpu.allocatedBytes);
        gpu.close();
        assertEquals(sum(), 0);
      } finally {
        GPUDevice.prototype.createBuffer = createBuffer;
        GPUBuffer.prototype.destroy = destroy;
      }
    }));
}
