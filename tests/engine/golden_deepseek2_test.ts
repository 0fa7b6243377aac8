/**
 * Numeric truth of deepseek2: a seeded model with its kinds of layers, against log-probabilities
 * that llama.cpp gave for the same file (node-llama-cpp 3.22.1, CPU, f32 cache, no flash
 * attention).
 */

import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { loadModel } from "../../src/runtime/load_model.ts";
import { checkGolden, type GoldenCase } from "../support/golden.ts";
import { TINY_DEEPSEEK2 } from "../support/tiny_deepseek2.ts";
import { withTinyModel } from "../support/tiny_engine.ts";
import golden from "./golden_deepseek2.json" with { type: "json" };

/** Log-probabilities have a standard deviation of 2.1. */
const LIMITS = { logitErrorMax: 0.01, logprobErrorMeanMax: 0.003, greedyMarginMin: 0.02 };

Deno.test("profile exact gives llama.cpp's log-probabilities and continuation of a deepseek2 model", () =>
  withTinyModel(TINY_DEEPSEEK2, async (path) => {
    const sha256 = createHash("sha256").update(await Deno.readFile(path)).digest("hex");
    assertEquals(sha256, golden.file_sha256, "the truth is that of this file");
    const model = await loadModel(await readGguf(path), () => {});
    try {
      console.log(await checkGolden(model, golden as GoldenCase, LIMITS));
    } finally {
      model.gpu.close();
    }
  }));
