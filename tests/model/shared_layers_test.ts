/** Plans whose layers read what others keep though their file does not say so. */

import { assertEquals, assertThrows } from "@std/assert";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { EngineError } from "../../src/core/errors.ts";
import { readModelPlan } from "../../src/model/architectures/registry.ts";
import { type SharedLayer, sharePlan } from "../../src/model/shared_layers.ts";
import { withTinyModel } from "../support/tiny_engine.ts";
import type { TinyModelOptions } from "../support/tiny_model.ts";

async function planOf(model: Partial<TinyModelOptions>) {
  const plans: ReturnType<typeof readModelPlan>[] = [];
  await withTinyModel(model, async (path) => void plans.push(readModelPlan(await readGguf(path))));
  return plans[0];
}

function pairs(...each: [layer: number, source: number][]): SharedLayer[] {
  return each.map(([layer, source]) => ({ layer, source }));
}

Deno.test("sharePlan() resolves chains, in whatever order pairs were taken", async () => {
  const plan = await planOf({ layerCount: 5 });
  const sourcesOf = (...each: [number, number][]) =>
    sharePlan(plan, pairs(...each)).layers.map(({ attention }) => attention.keyValueLayer);
  assertEquals(sourcesOf([3, 1]), [0, 1, 2, 1, 4]);
  assertEquals(sourcesOf([3, 1], [1, 0]), [0, 0, 2, 0, 4], "what was read comes to share");
  assertEquals(sourcesOf([1, 0], [4, 1]), [0, 0, 2, 3, 0], "what is to be read shares already");
  const { layers: [, { attention }] } = sharePlan(plan, pairs([1, 0]));
  assertEquals(attention.heads.length, 1);
});

const GEMMA3 = {
  architecture: "gemma3",
  layerCount: 6,
  metadata: { "gemma3.attention.sliding_window": 64 },
} as const;

const REFUSED: [Partial<TinyModelOptions>, SharedLayer[], string][] = [
  [{}, pairs([1, 2]), "the model has layers 0 to 1"],
  [{ layerCount: 3 }, pairs([1, 1]), "wanted an earlier layer"],
  [{ layerCount: 3 }, pairs([1, 2]), "wanted an earlier layer"],
  [{ layerCount: 3 }, pairs([2, 0], [2, 1]), "it shares already"],
  [GEMMA3, pairs([5, 0]), "one sees everything, the other 64 tokens"],
  [{ architecture: "smollm3", layerCount: 4 }, pairs([3, 2]), "in different ways"],
];

for (const [model, asked, message] of REFUSED) {
  Deno.test(`sharePlan() refuses ${JSON.stringify(asked)}: ${message}`, async () => {
    const plan = await planOf(model);
    assertThrows(() => sharePlan(plan, asked), EngineError, message);
  });
}

Deno.test("sharePlan() refuses layers whose heads differ", async () => {
  const plan = await planOf({ layerCount: 3 });
  const [first, second, third] = plan.layers;
  const headShape = { ...second.attention.headShape, kvHeadCount: 1 };
  const other = { ...second, attention: { ...second.attention, headShape } };
  assertThrows(
    () => sharePlan({ ...plan, layers: [first, other, third] }, pairs([2, 1])),
    EngineError,
    "one has 2 heads of 32, the other 1 heads of 32",
  );
});
