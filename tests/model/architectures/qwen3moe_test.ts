import { assertEquals, assertRejects } from "@std/assert";
import { EngineError } from "../../../src/core/errors.ts";
import { readGguf } from "../../../src/gguf/read_gguf.ts";
import { readModelPlan } from "../../../src/model/architectures/registry.ts";
import { withTinyModel } from "../../support/tiny_engine.ts";

Deno.test("readModelPlan() reads the experts of qwen3moe", () =>
  withTinyModel(
    { architecture: "qwen3moe", expertCount: 8, feedForwardWidth: 96 },
    async (path) => {
      const { layers: [, { feedForward }] } = readModelPlan(await readGguf(path));
      const { experts, gateUp: [gate], down } = feedForward;
      assertEquals(experts, {
        count: 8,
        usedCount: 2,
        router: { tensor: "blk.1.ffn_gate_inp.weight", rowStart: 0, rowCount: 8 },
        routerBias: null,
        groups: null,
        biases: null,
        shares: "softmax of used",
        shareScale: 1,
      });
      assertEquals(gate, { tensor: "blk.1.ffn_gate_exps.weight", rowStart: 0, rowCount: 96 });
      assertEquals(down, { tensor: "blk.1.ffn_down_exps.weight", rowStart: 0, rowCount: 64 });
    },
  ));

Deno.test("readModelPlan() refuses experts of an architecture that has none", () => {
  const metadata = { "qwen3.expert_count": 8 };
  return withTinyModel({ architecture: "qwen3", metadata }, async (path) => {
    const refused = async () => readModelPlan(await readGguf(path));
    const error = await assertRejects(refused, EngineError, "it mixes experts (8 of them)");
    assertEquals(error.code, "model_unsupported");
  });
});
