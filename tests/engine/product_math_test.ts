/** Matrix products of activations as codes of 8 bits, as a setting of the engine. */

import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import type { GenerateRequest, ProductMath } from "../../src/engine/types.ts";
import type { CachePlan } from "../../src/runtime/cache_plan.ts";
import type { LoadedModel } from "../../src/runtime/load_model.ts";
import { contentName } from "../../src/runtime/prefix_root.ts";
import type { SealPolicy } from "../../src/scheduler/seal_policies/policy.ts";
import { collectEvents, collectIds, tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";

const REQUEST: GenerateRequest = {
  promptIds: tinyPrompt(230, 1),
  maxTokens: 24,
  ignoreEos: true,
  sampling: { temperature: 1.3, seed: 7 },
};

const EXPERT_TYPES = {
  "ffn_gate_exps.weight": "Q8_0",
  "ffn_up_exps.weight": "Q8_0",
  "ffn_down_exps.weight": "Q8_0",
} as const;

const MODELS = {
  "all products": { model: { type: "Q4_1" }, note: null },
  "products of experts alone": {
    model: { architecture: "qwen3moe", type: "F16", tiedOutput: false, typesOf: EXPERT_TYPES },
    note: "weights of f16 and routers of experts in f32",
  },
} as const;

for (const [what, { model, note }] of Object.entries(MODELS)) {
  Deno.test(`${what} in int8 give another text than in f32, the same in any company and from the cache`, async () => {
    let inF32: number[] = [];
    await withTinyEngine({ model }, async (engine) => {
      inF32 = await collectIds(engine, REQUEST);
    });
    await withTinyEngine({ model, math: "int8" }, async (engine) => {
      assertEquals(engine.info.math, { mode: "int8", note });
      const alone = await collectIds(engine, REQUEST);
      assertNotEquals(alone, inF32);
      const other = { ...REQUEST, promptIds: tinyPrompt(70, 2) };
      const [again, ..._] = await Promise.all([
        collectEvents(engine, REQUEST),
        collectIds(engine, other),
        collectIds(engine, { ...other, promptIds: tinyPrompt(90, 3) }),
      ]);
      assertEquals(again.flatMap((event) => event.type === "token" ? [event.id] : []), alone);
      const last = again.at(-1)!;
      assert(last.type === "finish" && last.cachedTokenCount > 0);
    });
  });
}

Deno.test("a router with codes is multiplied in f32 all the same: rows go to the same experts, to the last bit", async () => {
  // Nothing but routers and the head, which vectors do not pass, has codes.
  const typesOf = {
    "attn_output.weight": "F16",
    "output.weight": "Q8_0",
    "ffn_gate_inp.weight": "Q8_0",
  } as const;
  const model = { architecture: "qwen3moe", type: "F16", tiedOutput: false, typesOf } as const;
  const vectors: number[][] = [];
  for (const math of ["f32", "int8"] as const) {
    await withTinyEngine({ model, math }, async (engine) => {
      if (math === "int8") {
        assertEquals(engine.info.math.note, "weights of f16 and routers of experts in f32");
      }
      const request = { promptIds: tinyPrompt(70, 4), maxTokens: 0, pooling: "mean" } as const;
      const events = await collectEvents(engine, request);
      vectors.push(
        ...events.flatMap((event) => event.type === "embedding" ? [[...event.values]] : []),
      );
    });
  }
  assertEquals(vectors.length, 2);
  assertEquals(vectors[1], vectors[0]);
});

Deno.test("names of stored blocks have that products are in int8, and those with experts", () => {
  const plan = { codec: { identity: "codec" }, shape: { stores: [], windowBlockCount: 2 } };
  const layer = { attention: { keyValueLayer: 0 }, feedForward: { experts: {} } };
  const nameIn = (math: ProductMath, layers: readonly object[] = []) =>
    contentName(
      plan as unknown as CachePlan,
      { id: "all" } as SealPolicy,
      { plan: { layers }, math } as unknown as LoadedModel,
    );
  assertEquals(["f32", "int8"].map((math) => nameIn(math as ProductMath)), [
    "codec, all",
    "codec, all, products in int8",
  ]);
  assertEquals(nameIn("f32", [layer]), "codec, all");
  assertEquals(nameIn("int8", [layer]), "codec, all, products in int8, of experts too");
});

Deno.test("products in int8 are refused for a model of which no weight has codes", async () => {
  const options = { model: { type: "F16" }, math: "int8" } as const;
  const error = await assertRejects(
    () => withTinyEngine(options, () => Promise.resolve()),
    EngineError,
  );
  assertMatch(error.message, /^Cannot multiply in int8: the model's weights are f16; wanted/);
});
