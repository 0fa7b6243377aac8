/** Layers that attend to the keys and values of an earlier layer, as their plan says. */

import { assertEquals } from "@std/assert";
import { type GgufFile, readGguf } from "../../src/gguf/read_gguf.ts";
import { openGpu } from "../../src/gpu/open_gpu.ts";
import { readModelPlan } from "../../src/model/architectures/registry.ts";
import { checkPlan } from "../../src/model/plan_check.ts";
import type { ModelPlan } from "../../src/model/plan.ts";
import { uploadWeights } from "../../src/model/weights.ts";
import { planCache } from "../../src/runtime/cache_plan.ts";
import { modelCodec } from "../../src/runtime/model_codec.ts";
import { createSequenceRun } from "../../src/runtime/sequence_run.ts";
import { assertNear } from "../support/numeric.ts";
import { planLogits } from "../support/reference_model.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

/** Of 4 layers the last two read what the first two keep, the other way round. */
const KEY_VALUE_LAYERS = [0, 1, 1, 0];

function sharingPlan(file: GgufFile): ModelPlan {
  const plan = readModelPlan(file);
  const layers = plan.layers.map((planned, layer) => {
    const { attention } = planned;
    const keyValueLayer = KEY_VALUE_LAYERS[layer];
    if (keyValueLayer === layer) return planned;
    const [queries] = attention.heads;
    const [queryBias] = attention.biases ?? [];
    const biases = queryBias === undefined ? null : [queryBias];
    return { ...planned, attention: { ...attention, keyValueLayer, heads: [queries], biases } };
  });
  return { ...plan, layers };
}

/** `exact` rounds keys and values to f16, `int8` to 255 steps of the largest of a token's head. */
const CASES = [
  { architecture: "llama", profile: "exact", nmseMax: 1e-6 },
  { architecture: "qwen2", profile: "int8", nmseMax: 1e-3 },
] as const;

for (const { architecture, profile: name, nmseMax } of CASES) {
  Deno.test(`layers that read another's keys and values give the reference's logits (${architecture}, ${name})`, () =>
    withTinyModel({ architecture, layerCount: 4 }, async (path) => {
      const file = await readGguf(path);
      const plan = sharingPlan(file);
      checkPlan(plan);
      const gpu = await openGpu();
      const weights = await uploadWeights(gpu, { file, plan, onProgress: () => {} });
      const loaded = { gpu, file, plan, shape: plan.shape, weights };
      const profile = { name };
      const codec = modelCodec(loaded, profile, null);
      const { shape } = planCache(loaded, { codec, slotCount: 1, contextLength: 512 });
      assertEquals(shape.stores.map(({ layer }) => layer), [0, 1], "two layers keep something");
      const promptIds = tinyPrompt(330, 7);
      const run = await createSequenceRun(loaded, { profile, promptIds, maxTokens: 5 });
      try {
        const rows: Float32Array[] = [];
        while (rows.length < promptIds.length) {
          rows.push(...await run.nextSlice({ wantsLogits: true }));
        }
        const last = rows[rows.length - 1];
        const ids = [...promptIds, last.indexOf(Math.max(...last))];
        while (ids.length < promptIds.length + 4) {
          const { id, logits } = await run.nextToken();
          rows.push(logits);
          ids.push(id);
        }
        const expected = planLogits(file, plan, ids);
        rows.forEach((row, i) => assertNear(row, expected[i], nmseMax, `position ${i}`));
      } finally {
        run.destroy();
        gpu.close();
      }
    }));
}
