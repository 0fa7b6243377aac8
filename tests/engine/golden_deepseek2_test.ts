/**
 * Numeric truth of deepseek2: seeded models with its kinds of layers, against log-probabilities
 * that llama.cpp gave for the same files (node-llama-cpp 3.22.1, CPU, f32 cache, no flash
 * attention).
 */

import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { loadModel } from "../../src/runtime/load_model.ts";
import { checkGolden, type GoldenCase } from "../support/golden.ts";
import { TINY_DEEPSEEK2, TINY_DEEPSEEK2_GROUPS } from "../support/tiny_deepseek2.ts";
import { withTinyModel } from "../support/tiny_engine.ts";
import golden from "./golden_deepseek2.json" with { type: "json" };
import goldenGroups from "./golden_deepseek2_groups.json" with { type: "json" };

/** Log-probabilities have a standard deviation of 2.1. */
const LIMITS = { logitErrorMax: 0.01, logprobErrorMeanMax: 0.003, greedyMarginMin: 0.02 };

for (const [model, truth] of [[TINY_DEEPSEEK2, golden], [TINY_DEEPSEEK2_GROUPS, goldenGroups]]) {
  const { name, file_sha256 } = truth as typeof golden;
  Deno.test(`profile exact gives llama.cpp's log-probabilities and continuation of ${name}`, () =>
    withTinyModel(model as typeof TINY_DEEPSEEK2, async (path) => {
      const sha256 = createHash("sha256").update(await Deno.readFile(path)).digest("hex");
      assertEquals(sha256, file_sha256, "the truth is that of this file");
      const loaded = await loadModel(await readGguf(path), () => {});
      try {
        console.log(await checkGolden(loaded, truth as GoldenCase, LIMITS));
      } finally {
        loaded.gpu.close();
      }
    }));
}
