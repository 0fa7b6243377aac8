/** Every feature of a plan that the layer stack lacks is refused by name. */

import { assertEquals, assertThrows } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { readModelPlan } from "../../src/model/architectures/registry.ts";
import { checkPlan } from "../../src/model/plan_check.ts";
import type {
  AttentionPlan,
  ExpertPlan,
  FeedForwardPlan,
  ModelPlan,
} from "../../src/model/plan.ts";
import { withTinyModel } from "../support/tiny_engine.ts";

const NORM = { tensor: "norm", over: "head" } as const;

/** Changes to layer 1, and what the refusal says. */
const ATTENTION: [changes: Partial<AttentionPlan>, says: string][] = [
  [{ queryNorm: NORM }, "layer 1 norms query and key heads differently"],
  [{ keyNorm: NORM }, "layer 1 norms query and key heads differently"],
  [{ keyValueLayer: 0 }, "layer 1 attends to the keys and values of layer 0, and makes its own"],
  [
    { keyValueLayer: 2 },
    "layer 1 attends to the keys and values of layer 2, which does not make them before it",
  ],
  [{ softCap: 50 }, "caps the scores of its layers differently: ,50"],
  [
    { headShape: { queryHeadCount: 4, kvHeadCount: 4, headSize: 32 } },
    "keys and values of 4 heads of 32 where others have 2 heads of 32",
  ],
  [
    {
      keyValueLayer: 0,
      heads: [{ tensor: "q", rowStart: 0, rowCount: 256 }],
      headShape: { queryHeadCount: 4, kvHeadCount: 2, headSize: 64 },
    },
    "layer 0, which are 2 heads of 32, not 2 heads of 64",
  ],
  [
    { outputBias: "bias", normAfter: "norm" },
    "layer 1 adds a bias to what attention gives, and norms it",
  ],
];

const EXPERTS: ExpertPlan = {
  count: 8,
  usedCount: 2,
  router: { tensor: "router", rowStart: 0, rowCount: 8 },
  routerBias: null,
  groups: null,
  biases: null,
  shares: "softmax of used",
  shareScale: 1,
};

const FEED_FORWARD: [changes: Partial<FeedForwardPlan>, says: string][] = [
  [{ experts: EXPERTS, normAfter: "norm" }, "layer 1 norms what experts give"],
];

async function tinyPlan(): Promise<ModelPlan> {
  const plans: ModelPlan[] = [];
  await withTinyModel({}, async (path) => {
    plans.push(readModelPlan(await readGguf(path)));
  });
  return plans[0];
}

const plan = await tinyPlan();

function assertRefused(changed: ModelPlan, says: string): void {
  const error = assertThrows(() => checkPlan(changed), EngineError, says);
  assertEquals(error.code, "model_unsupported");
}

for (const [changes, says] of ATTENTION) {
  Deno.test(`checkPlan() refuses: ${says}`, () => {
    const [first, second] = plan.layers;
    const changed = { ...second, attention: { ...second.attention, ...changes } };
    assertRefused({ ...plan, layers: [first, changed] }, says);
  });
}

for (const [changes, says] of FEED_FORWARD) {
  Deno.test(`checkPlan() refuses: ${says}`, () => {
    const [first, second] = plan.layers;
    const changed = { ...second, feedForward: { ...second.feedForward, ...changes } };
    assertRefused({ ...plan, layers: [first, changed] }, says);
  });
}

Deno.test("checkPlan() refuses latents in some layers only, and one that no layer makes", () =>
  withTinyModel({ architecture: "clla", layerCount: 4 }, async (path) => {
    const latents = readModelPlan(await readGguf(path));
    const layers = [...latents.layers];
    const changed = (layer: number, changes: Partial<AttentionPlan>) => ({
      ...latents,
      layers: layers.with(layer, {
        ...layers[layer],
        attention: { ...layers[layer].attention, ...changes },
      }),
    });
    assertRefused(changed(2, { latent: null }), "keeps latents in some layers only");
    assertRefused(changed(1, { keyValueLayer: 1 }), "layer 1 makes no latent");
    assertRefused(changed(2, { keyValueLayer: 0 }), "layer 0, and makes its own");
    const { latent } = layers[3].attention;
    assertRefused(
      changed(3, { latent: { ...latent!, rank: 32 } }),
      "has latents of different sizes",
    );
  }));

Deno.test("checkPlan() refuses windows in every layer", () => {
  const layers = plan.layers.map((layer) => {
    return { ...layer, attention: { ...layer.attention, window: 32 } };
  });
  assertRefused({ ...plan, layers }, "attends to a window in every layer");
});

Deno.test("checkPlan() refuses a factor behind a layer that norms nothing it adds", () => {
  const [first, second] = plan.layers;
  const layers = [{ ...first, factor: "factor" }, second];
  assertRefused({ ...plan, layers }, "layer 0 multiplies the residual stream");
});

Deno.test("checkPlan() refuses inputs of layers that cannot be bound one by one", () => {
  const matrix = { tensor: "table", rowStart: 0, rowCount: 96 };
  const layerInputs = { inputWidth: 96, table: matrix, projection: matrix, norm: "norm" };
  assertRefused({ ...plan, layerInputs }, "has 96 inputs for each layer, no multiple of 64");
});

Deno.test("checkPlan() accepts layers that turn differently, or not at all", () => {
  const [first, second] = plan.layers;
  checkPlan({
    ...plan,
    layers: [{ ...first, attention: { ...first.attention, rope: null } }, second],
  });
});
