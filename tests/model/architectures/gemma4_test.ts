import { assertEquals, assertRejects } from "@std/assert";
import { EngineError } from "../../../src/core/errors.ts";
import { readGguf } from "../../../src/gguf/read_gguf.ts";
import { readModelPlan } from "../../../src/model/architectures/registry.ts";
import { withTinyModel } from "../../support/tiny_engine.ts";
import { TINY_GEMMA4 } from "../../support/tiny_gemma4.ts";

Deno.test("readModelPlan() reads heads by layer of gemma4, and which layers share keys and values", () =>
  withTinyModel(TINY_GEMMA4, async (path) => {
    const { shape, layers } = readModelPlan(await readGguf(path));
    assertEquals([shape.kvHeadCount, shape.headSize, shape.feedForwardWidth], [1, 128, 256]);
    const attentions = layers.map(({ attention }) => attention);
    assertEquals(attentions.map(({ window }) => window), [32, null, 32, null, 32, null]);
    assertEquals(attentions.map(({ keyValueLayer }) => keyValueLayer), [0, 1, 2, 3, 2, 3]);
    assertEquals(attentions.map(({ headShape }) => headShape.headSize), [
      64,
      128,
      64,
      128,
      64,
      128,
    ]);
    assertEquals(attentions.map(({ headShape }) => headShape.kvHeadCount), [2, 1, 2, 1, 2, 1]);
    const [, , value] = attentions[1].heads;
    assertEquals(value.tensor, "blk.1.attn_k.weight", "keys are the values where there are none");
    assertEquals(attentions[4].heads.length, 1);
  }));

Deno.test("readModelPlan() leaves out keys and values of gemma4 that no layer reads", () => {
  const extra = { ...TINY_GEMMA4, leftOut: [] };
  return withTinyModel(extra, async (path) => {
    const file = await readGguf(path);
    const name = "blk.5.attn_v.weight";
    const unread = { ...file.tensors.get("blk.3.attn_v.weight")!, name };
    const tensors = new Map([...file.tensors, [name, unread]]);
    assertEquals(readModelPlan({ ...file, tensors }).layers[5].attention.heads.length, 1);
  });
});

/** Metadata, and what the refusal says. */
const REFUSED = [
  [{ "gemma4.expert_count": 8 }, "it mixes experts (8 of them)"],
  [{ "gemma4.attention.value_length_swa": 32 }, "64 channels in a window, its values 32"],
  [{ "gemma4.attention.sliding_window_pattern": 6 }, "does not say which layers see a window"],
  [{ "gemma4.feed_forward_length": [128, 128] }, "has 2 values for 6 layers"],
] as const;

for (const [metadata, says] of REFUSED) {
  Deno.test(`readModelPlan() refuses gemma4 with ${JSON.stringify(metadata)}`, () =>
    withTinyModel({ ...TINY_GEMMA4, metadata }, async (path) => {
      await assertRejects(async () => readModelPlan(await readGguf(path)), EngineError, says);
    }));
}
