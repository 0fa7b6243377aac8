/** A cache that shrinks to the memory of a device that does not say how much it has. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describeEngine } from "../../server/cli/load_model.ts";
import type { Engine, EngineOptions } from "../../src/engine/types.ts";
import { EngineError } from "../../src/core/errors.ts";
import { Gpu } from "../../src/gpu/gpu.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { KvCache } from "../../src/kvcache/kv_cache.ts";
import { cacheSplits, createPartials } from "../../src/model/attention_splits.ts";
import type { RowGroup } from "../../src/model/row_group.ts";
import { planCache } from "../../src/runtime/cache_plan.ts";
import { fitCache, type FitOptions, workBytes } from "../../src/runtime/fit_cache.ts";
import { loadModel } from "../../src/runtime/load_model.ts";
import { modelCodec } from "../../src/runtime/model_codec.ts";
import { codecProfile } from "../../src/codec/profile.ts";
import { FakeEngine } from "../support/fake_engine.ts";
import { LoopHere } from "../support/loop_here.ts";
import { lyingWebgpu } from "../support/lying_webgpu.ts";
import { collectIds, tinyPrompt, withEngine, withTinyModel } from "../support/tiny_engine.ts";
import type { TinyModelOptions } from "../support/tiny_model.ts";

const MIB = 2 ** 20;

/** Plans for 8 sequences of 4,096 tokens on a device of so much memory. */
async function fit(memoryBytes: number, options: Partial<FitOptions> = {}) {
  let found: { wantedBytes: number; keptBytes: number; shrunk: number[] } | undefined;
  await withTinyModel({ type: "F32", contextLength: 4096 }, async (path) => {
    const webgpu = lyingWebgpu({ memoryBytes });
    const model = await loadModel(await readGguf(path), () => {}, { webgpu });
    try {
      const allocated = model.gpu.allocatedBytes;
      const shrunk: number[] = [];
      const plan = await fitCache(model, {
        codec: modelCodec(model, codecProfile({ name: "exact" }), null),
        slotCount: 8,
        contextLength: 4096,
        onShrunk: (wanted, kept) => shrunk.push(wanted, kept),
        ...options,
      });
      assertEquals(model.gpu.allocatedBytes, allocated, "what was tried is freed");
      const keptBytes = plan.shape.groups.reduce((sum, group) => sum + group.wordCount * 4, 0);
      found = { wantedBytes: shrunk[0] ?? keptBytes, keptBytes, shrunk };
    } finally {
      model.gpu.close();
    }
  });
  return found!;
}

Deno.test("fitCache() shrinks to what the device has room for, and says from what to what", async () => {
  const roomy = await fit(2048 * MIB);
  assertEquals(roomy.shrunk, []);
  const { keptBytes, shrunk } = await fit(96 * MIB + 4 * MIB + roomy.keptBytes / 2);
  assertEquals(shrunk, [roomy.keptBytes, keptBytes]);
  assert(keptBytes < roomy.keptBytes && keptBytes >= roomy.keptBytes / 4, `${keptBytes} bytes`);
});

Deno.test("fitCache() refuses a given size that does not fit, naming the flag", async () => {
  const error = await assertRejects(
    () => fit(112 * MIB, { arenaSizeBytes: 64 * MIB }),
    EngineError,
    "less with --kv-memory",
  );
  assertEquals(error.code, "out_of_memory");
});

Deno.test("fitCache() refuses a model beside which no cache fits", async () => {
  const error = await assertRejects(() => fit(32 * MIB), EngineError, "no room for a cache");
  assertEquals(error.code, "model_too_large");
});

Deno.test("what is said at start names the cache that did not fit", () => {
  const text = describeEngine({ ...new FakeEngine(() => []).info, cacheWantedBytes: 64 * MIB });
  assert(/packed KV \(of 67\.1 MB: the device has no room for more\)/.test(text), text);
});

Deno.test("what is said at start names the tokens that memory holds, if not all, and what would hold all", async () => {
  await withTinyModel({ contextLength: 1024 }, async (modelPath) => {
    // 16 KiB a block in each of 2 layers: 8 of the 13 behind 2 blocks and one that fills.
    const start = { modelPath, profile: { name: "exact" }, tune: "off" } as const;
    const ask = (engine: Engine, tokenCount: number) =>
      collectIds(engine, { promptIds: tinyPrompt(tokenCount - 1, 1), maxTokens: 1 });
    await withEngine({ ...start, cacheSizeBytes: 256 * 1024 }, async (engine) => {
      const context = "context  1024 tokens; memory holds 704 of one sequence at least " +
        "(all with --kv-memory 1)\n";
      assertStringIncludes(describeEngine(engine.info), context);
      assertEquals((await ask(engine, 704)).length, 1);
      const error = await assertRejects(() => ask(engine, 705), EngineError);
      assertEquals(error.code, "cache_exhausted");
    });
    await withEngine({ ...start, cacheSizeBytes: MIB }, async (engine) => {
      assertStringIncludes(describeEngine(engine.info), "context  1024 tokens\n");
      assertEquals((await ask(engine, 1024)).length, 1);
    });
  });
});

Deno.test("loadModel() asks for the GPU of the power that it is given", async () => {
  await withTinyModel({ type: "F32" }, async (path) => {
    const file = await readGguf(path);
    const asked: (string | undefined)[] = [];
    const webgpu = lyingWebgpu({ onAsked: ({ powerPreference }) => asked.push(powerPreference) });
    for (const power of ["low-power", "high-performance"] as const) {
      (await loadModel(file, () => {}, { webgpu, power })).gpu.close();
    }
    assertEquals(asked, ["low-power", "high-performance"]);
  });
});

Deno.test("fitCache() leaves room for the partial results of attention of a long context", async () => {
  // Of 64 rows with 64 heads of 128 as many as a binding holds: more than all else together.
  const shape = { queryHeadCount: 64, kvHeadCount: 1, headSize: 128, contextLength: 2 ** 17 };
  const sizes = { type: "F32", layerCount: 1, width: 32, feedForwardWidth: 32 } as const;
  await withTinyModel({ ...sizes, ...shape }, async (path) => {
    const model = await loadModel(await readGguf(path), () => {});
    const { gpu, plan: { layers } } = model;
    try {
      const codec = modelCodec(model, codecProfile({ name: "exact" }), null);
      const slotCount = 2;
      const planned = planCache(model, {
        ...{ codec, slotCount, contextLength: shape.contextLength, arenaSizeBytes: 64 * MIB },
      });
      const sizeBytes = (draftRowCount: number) =>
        workBytes(model, { ...planned, draftRowCount }).reduce((sum, each) => sum + each, 0);
      const needBytes = sizeBytes(0);
      const logitBytes = 4 * model.shape.vocabSize;
      assert(sizeBytes(8) >= needBytes + 8 * logitBytes, "rows of guesses have logits too");
      const cache = new KvCache(gpu, planned.shape);
      const shapes = layers.map(({ attention }) => attention.headShape);
      const beforeBytes = gpu.allocatedBytes;
      for (const rowCountMax of [64, slotCount]) {
        const options = { shapes, cache, group: { rowCountMax } as RowGroup };
        createPartials(gpu, options, cacheSplits(gpu, options));
      }
      const partialBytes = gpu.allocatedBytes - beforeBytes;
      assert(partialBytes > 128e6, `${partialBytes} bytes`);
      assert(needBytes > partialBytes + 96 * MIB - 1, `${needBytes} bytes are left`);
    } finally {
      gpu.close();
    }
  });
});

/** Buffers that loading makes, by label, and the sizes that it tried whether there is room for. */
async function loaded(model: Partial<TinyModelOptions>, options: Partial<EngineOptions>) {
  const { createBuffer, hasRoomFor } = Gpu.prototype;
  const made = new Map<string, number>();
  let counted: readonly number[] = [];
  Gpu.prototype.createBuffer = function (label, sizeBytes, ...more) {
    made.set(label, sizeBytes);
    return createBuffer.call(this, label, sizeBytes, ...more);
  };
  Gpu.prototype.hasRoomFor = function (sizesBytes) {
    counted = sizesBytes;
    return hasRoomFor.call(this, sizesBytes);
  };
  try {
    await withTinyModel({ contextLength: 1024, ...model }, async (modelPath) => {
      const own = { profile: { name: "paper" }, tune: "off", sequenceCountMax: 2 } as const;
      await (await LoopHere.open({ modelPath, ...own, ...options })).close();
    });
  } finally {
    Object.assign(Gpu.prototype, { createBuffer, hasRoomFor });
  }
  return { made, counted };
}

Deno.test("what is counted beside a cache has the buffers of latents, of slices and of decode rows", async () => {
  const { made, counted } = await loaded({ architecture: "deepseek2" }, {});
  const names = [
    ...["query latents", "content queries", "turned queries", "absorbed queries", "latents"],
    ...["values", "head bundles"],
  ];
  for (const group of ["decode", "slice"]) {
    const sizes = names.map((name) => made.get(`${group} ${name}`) ?? NaN);
    const sum = sizes.reduce((total, each) => total + each, 0);
    assert(counted.includes(sum), `${group}: ${sizes} of ${counted}`);
  }
});

Deno.test("what is counted beside a cache has the buffers of a choice of what is read", async () => {
  const profile = { name: "near-lossless", keyStep: 1.14 } as const;
  const read = "hcattention:tau=0.9,dense=0,pool=0.4";
  const { made, counted } = await loaded({}, { profile, read });
  const names = [
    ...["rows that choose", "chosen read lists", "block scores", "softmax of blocks"],
    ...["shares to read", "chosen sets", "chosen blocks"],
  ];
  for (const name of names) {
    assert(counted.includes(made.get(name) ?? NaN), `${name}: ${made.get(name)} of ${counted}`);
  }
});
