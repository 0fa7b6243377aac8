import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { createEngine } from "../../mod.ts";
import { RawCodec } from "../../src/codec/raw/codec.ts";
import { EngineError } from "../../src/core/errors.ts";
import type { ModelShape } from "../../src/core/shapes.ts";
import { planCache } from "../../src/runtime/cache_plan.ts";
import type { LoadedModel } from "../../src/runtime/load_model.ts";
import { writeTinyModel } from "../support/tiny_model.ts";

Deno.test("createEngine() refuses a context of 2^32 - 1 that the file says, and serves a given one", async () => {
  const modelPath = await Deno.makeTempFile({ suffix: ".gguf" });
  try {
    await writeTinyModel(modelPath, { contextLength: 2 ** 32 - 1 });
    const options = { modelPath, profile: { name: "exact" } } as const;
    const { code, message } = await assertRejects(() => createEngine(options), EngineError);
    assertEquals(code, "invalid_request");
    assertStringIncludes(message, "a context of 4294967295 tokens, as the model file says");
    assertStringIncludes(message, "wanted 1 to 16777216; give a length with --ctx");
    const engine = await createEngine({ ...options, contextLength: 256 });
    assertEquals(engine.info.contextLength, 256);
    await engine.close();
  } finally {
    await Deno.remove(modelPath);
  }
});

Deno.test("planCache() names --ctx if the adapter cannot hold the directory of blocks", () => {
  const shape: ModelShape = {
    name: "test",
    layerCount: 80,
    width: 8192,
    feedForwardWidth: 28_672,
    queryHeadCount: 64,
    kvHeadCount: 8,
    headSize: 128,
    vocabSize: 1000,
    contextLengthTrained: 2 ** 24,
    tiedOutput: true,
    parameterCount: 1,
  };
  const facts = { bufferSizeMax: 2 ** 28, bindingSizeMax: 2 ** 27 };
  const layers = Array.from({ length: shape.layerCount }, (_, layer) => {
    return { attention: { keyValueLayer: layer, window: null, headShape: shape } };
  });
  const model = { gpu: { facts }, shape, plan: { layers } } as unknown as LoadedModel;
  const plan = (contextLength: number) =>
    planCache(model, {
      codec: new RawCodec(shape, { name: "exact" }),
      slotCount: 4,
      contextLength,
      arenaSizeBytes: 2 ** 27,
    });
  const { code, message } = assertThrows(() => plan(2 ** 24), EngineError);
  assertEquals(code, "model_too_large");
  assertStringIncludes(message, "of 4 sequences of 16777216 tokens: ");
  assertStringIncludes(message, "exceed the adapter's 268435456");
  assertStringIncludes(message, "use a smaller --ctx or fewer --sequences");
});
