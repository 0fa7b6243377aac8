/** Layers that read what others keep: logits, bytes, and names of blocks. */

import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import type { Engine, EngineOptions, GenerateRequest } from "../../src/engine/types.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { readModelPlan } from "../../src/model/architectures/registry.ts";
import { sharePlan } from "../../src/model/shared_layers.ts";
import { type LoadedModel, loadModel } from "../../src/runtime/load_model.ts";
import { createSequenceRun } from "../../src/runtime/sequence_run.ts";
import { withSharedLayers } from "../../src/runtime/shared_model.ts";
import { assertNear } from "../support/numeric.ts";
import { planLogits } from "../support/reference_model.ts";
import { collectEvents, tinyPrompt, withEngine, withTinyModel } from "../support/tiny_engine.ts";
import { saveTinyMap } from "../support/tiny_layer_map.ts";

/** Of 4 layers two share, one of them what came to share itself. */
const PAIRS = [{ layer: 3, source: 2 }, { layer: 2, source: 1 }];
const PROMPT = tinyPrompt(330, 7);

async function logitsOf(model: LoadedModel): Promise<Float32Array[]> {
  const run = await createSequenceRun(model, { profile: { name: "exact" }, promptIds: PROMPT });
  const rows: Float32Array[] = [];
  try {
    while (rows.length < PROMPT.length) rows.push(...await run.nextSlice({ wantsLogits: true }));
  } finally {
    run.destroy();
  }
  return rows;
}

/** Formats that differ between queries, keys and values make parts of their own. */
const MODELS = [
  { architecture: "llama", type: "Q4_1", typesOf: { "attn_v.weight": "Q8_0" } },
  { architecture: "qwen3", type: "F32" },
] as const;

for (const options of MODELS) {
  Deno.test(`a model whose layers share gives the logits of the reference (${options.architecture})`, () =>
    withTinyModel({ ...options, layerCount: 4 }, async (path) => {
      const file = await readGguf(path);
      const expected = planLogits(file, sharePlan(readModelPlan(file), PAIRS), PROMPT);
      const check = (rows: readonly Float32Array[]) =>
        rows.forEach((row, i) => assertNear(row, expected[i], 1e-5, `position ${i}`));
      const itself = await loadModel(file, () => {});
      const ownBytes = itself.weights.sizeBytes;
      check(await withSharedLayers(itself, PAIRS, logitsOf));
      itself.gpu.close();
      const loaded = await loadModel(file, () => {}, { sharedLayers: PAIRS });
      try {
        check(await logitsOf(loaded));
        assert(loaded.weights.sizeBytes < ownBytes, "keys and values that nobody makes are loaded");
      } finally {
        loaded.gpu.close();
      }
    }));
}

/** Runs `body` with the path of a tiny model and of a map of its layers. */
async function withMap(body: (modelPath: string, mapPath: string) => Promise<void>): Promise<void> {
  await withTinyModel({ layerCount: 4, contextLength: 1024 }, async (modelPath) => {
    await body(modelPath, await saveTinyMap(modelPath, PAIRS));
  });
}

/** The tokens of a generation, and how many of its prompt the cache had. */
async function generate(engine: Engine, request: GenerateRequest) {
  const events = await collectEvents(engine, request);
  const ids = events.flatMap((event) => event.type === "token" ? [event.id] : []);
  const last = events[events.length - 1];
  return { ids, cached: last.type === "finish" ? last.cachedTokenCount : NaN };
}

/** Bytes of sealed blocks while a request runs, and its text twice: read, and behind the cache. */
function measure(options: EngineOptions) {
  return withEngine(options, async (engine) => {
    const request = { promptIds: PROMPT, maxTokens: 40, ignoreEos: true };
    let bytes = { raw: 0, packed: 0, allocated: 0 };
    let packed: number[] = [];
    const ids: number[] = [];
    for await (const event of engine.generate(request)) {
      if (event.type !== "token") continue;
      ids.push(event.id);
      if (ids.length !== 4) continue;
      const stats = await engine.stats();
      bytes = stats.cacheBytes;
      packed = stats.layerBytes.map((layer) => layer.packed);
    }
    const again = await generate(engine, request);
    return { bytes, packed, ids, again: again.ids, cached: again.cached, info: engine.info };
  });
}

for (const name of ["exact", "balanced", "int8", "paper", "xquant"] as const) {
  Deno.test(`half of the layers share: half the bytes, and the cache gives the same text (${name})`, () =>
    withMap(async (modelPath, mapPath) => {
      const options = { modelPath, profile: { name } };
      const all = await measure(options);
      const half = await measure({ ...options, share: `kvsharer:${mapPath}` });
      assertEquals(half.info.tokenBytes, all.info.tokenBytes / 2);
      assert(all.bytes.packed > 0, "blocks were sealed");
      assertEquals(half.bytes.raw, all.bytes.raw / 2);
      assertEquals(half.info.windowBytes, all.info.windowBytes / 2);
      assertEquals(half.packed.map((own) => own > 0), [true, true, false, false]);
      assertAlmostEquals(
        half.bytes.packed / all.bytes.packed,
        0.5,
        name === "balanced" ? 0.1 : 0.01,
      );
      assertEquals(half.again, half.ids);
      assert(half.cached > 0, "the prompt was cached");
    }));
}

Deno.test("blocks on disk are found by engines of the same layers only, also while less is kept", () =>
  withMap(async (modelPath, mapPath) => {
    const diskFolder = `${modelPath}.disk`;
    const request = { promptIds: PROMPT, maxTokens: 4, ignoreEos: true };
    const options = { modelPath, profile: { name: "exact" }, diskFolder, keep: "all" } as const;
    const cachedIn = (share: string | null, keep: string) =>
      withEngine({ ...options, ...(share === null ? {} : { share }) }, async (engine) => {
        return await generate(engine, { ...request, keep });
      });
    const share = `kvsharer:${mapPath}`;
    const first = await cachedIn(share, "all");
    assertEquals(first.cached, 0);
    assertEquals((await cachedIn(null, "all")).cached, 0, "another map, other blocks");
    const second = await cachedIn(share, "all");
    assert(second.cached > 0);
    assertEquals(second.ids, first.ids);
    const less = await cachedIn(share, "chunkkv:ratio=0.5");
    assertEquals(less.ids[0], first.ids[0], "the first token comes from the whole prompt");
  }));

Deno.test("an engine refuses layers that are not known, too many, another model's, or wrong", () =>
  withMap(async (modelPath, mapPath) => {
    const refused = async (share: string, message: string) => {
      const options = { modelPath, profile: { name: "exact" }, share } as const;
      await assertRejects(() => withEngine(options, async () => {}), Error, message);
    };
    await refused("kvsharer:2", "packkv calibrate --share 2");
    await refused("layers:2", "wanted kvsharer:N");
    await refused("kvsharer:0", "a whole number from 1");
    await refused(`kvsharer:${modelPath}.none`, "there is no such file");
    await refused(`kvsharer:${modelPath}`, "it is no JSON");
    const map = JSON.parse(await Deno.readTextFile(mapPath));
    const wrong = async (changes: object, message: string) => {
      await Deno.writeTextFile(`${mapPath}.wrong`, JSON.stringify({ ...map, ...changes }));
      await refused(`kvsharer:${mapPath}.wrong`, message);
    };
    await wrong({ modelFingerprint: "1".repeat(32) }, "it is another model's");
    await wrong({ layers: [{ layer: 4, source: 1 }] }, "wanted layers 0 to 3");
    await wrong({ layers: [{ layer: 1, source: 2 }] }, "wanted an earlier layer");
  }));
