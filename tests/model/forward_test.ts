/** The whole forward pass on the device against plain f64 loops, on tiny seeded models. */

import { assert, assertEquals } from "@std/assert";
import { loadModel } from "../../src/runtime/load_model.ts";
import { openGpu } from "../../src/gpu/open_gpu.ts";
import { ARCHITECTURES, readModelPlan } from "../../src/model/architectures/registry.ts";
import { uploadWeights, weightSizeBytes } from "../../src/model/weights.ts";
import { createSequenceRun } from "../../src/runtime/sequence_run.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { assertNear } from "../support/numeric.ts";
import { referenceLogits } from "../support/reference_model.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";
import { TINY_GEMMA4 } from "../support/tiny_gemma4.ts";
import { LATENT_ARCHITECTURES, type TinyModelOptions } from "../support/tiny_model.ts";

/** K and V are kept as f16 (relative error 2^-11), which a few layers carry to the logits. */
const NMSE_MAX = 1e-6;

interface Case {
  model: Partial<TinyModelOptions>;
  tokenCount?: number;
  /** Variants that are not the first of their tables here, by key. */
  tuned?: Record<string, string>;
  why: string;
}

const CASES: Case[] = [
  { model: { type: "F32" }, why: "F32" },
  { model: { type: "F16" }, why: "F16" },
  { model: { type: "BF16" }, why: "BF16" },
  { model: { type: "Q8_0" }, why: "Q8_0" },
  { model: { type: "Q4_0" }, why: "Q4_0" },
  { model: { type: "Q4_1" }, why: "Q4_1" },
  { model: { type: "Q4_1", embeddingType: "Q8_0" }, why: "mixed types, as the default model" },
  { model: { tiedOutput: false }, why: "an output head of its own" },
  { model: { headSize: 64, queryHeadCount: 3, kvHeadCount: 1 }, why: "groups of 3" },
  { model: { headSize: 96, queryHeadCount: 2, kvHeadCount: 2 }, why: "head size 96" },
  { model: { headSize: 256, queryHeadCount: 2, kvHeadCount: 1 }, why: "head size 256" },
  { model: { ropeFactors: Array.from({ length: 16 }, (_, i) => 1 + i / 4) }, why: "RoPE factors" },
  { model: { metadata: { "llama.rope.dimension_count": 16 } }, why: "RoPE on half of a head" },
  { model: { metadata: { "llama.rope.scale_linear": { f32: 4 } } }, why: "RoPE scaled by 4" },
  {
    model: {
      metadata: {
        "llama.rope.scaling.type": "yarn",
        "llama.rope.scaling.factor": { f32: 4 },
        "llama.rope.scaling.original_context_length": 64,
        "llama.rope.dimension_count": 16,
      },
    },
    why: "YaRN on half of a head",
  },
  { model: { hasBiases: true }, why: "biases of llama" },
  {
    model: {
      architecture: "granite",
      metadata: {
        "granite.embedding_scale": { f32: 12 },
        "granite.residual_scale": { f32: 0.22 },
        "granite.attention.scale": { f32: 0.1 },
        "granite.logit_scale": { f32: 8 },
      },
    },
    why: "four scales of granite",
  },
  { model: { architecture: "smollm3", layerCount: 4 }, why: "a layer of smollm3 without RoPE" },
  {
    model: {
      architecture: "mistral3",
      metadata: {
        "mistral3.attention.temperature_scale": { f32: 0.2 },
        "mistral3.rope.scaling.type": "yarn",
        "mistral3.rope.scaling.factor": { f32: 4 },
        "mistral3.rope.scaling.original_context_length": 16,
        "mistral3.rope.scaling.yarn_log_multiplier": { f32: 0.5 },
      },
    },
    why: "queries of mistral3 that grow",
  },
  {
    model: { expertCount: 8, type: "Q8_0" },
    tuned: { "expert_matmul of slices": "tile" },
    why: "experts of llama, by tiles as on a GPU",
  },
  {
    model: { type: "Q8_0", typesOf: { "ffn_up.weight": "Q4_1", "attn_v.weight": "F16" } },
    why: "gate and up, keys and values of different types",
  },
  {
    model: { architecture: "gpt-oss", type: "Q8_0", typesOf: { "ffn_up_exps.weight": "Q4_0" } },
    why: "gate and up of experts of different types, with biases",
  },
  ...Object.keys(ARCHITECTURES).map((architecture) => ({
    model: { architecture, queryHeadCount: 6, type: "Q8_0" } as const,
    why: architecture,
  })),
  {
    model: {
      architecture: "gemma2",
      metadata: {
        "gemma2.attention.sliding_window": 150,
        "gemma2.attn_logit_softcapping": { f32: 2 },
        "gemma2.final_logit_softcapping": { f32: 3 },
      },
    },
    tokenCount: 330,
    why: "a window of more than 4 tiles, caps that bend",
  },
  {
    model: TINY_GEMMA4,
    tokenCount: 100,
    why: "heads by layer, shared keys and values, inputs by layer, keys as values",
  },
  { model: { type: "F32" }, tokenCount: 330, why: "sealed blocks and a turned ring" },
  {
    model: {
      architecture: "deepseek2",
      queryHeadCount: 5,
      expertCount: 8,
      leftOut: ["output.weight"],
      sizesMetadata: {
        "deepseek2.expert_group_count": 4,
        "deepseek2.expert_group_used_count": 2,
        "deepseek2.attention.q_lora_rank": 0,
        "deepseek2.attention.kv_lora_rank": 64,
        "deepseek2.attention.value_length_mla": 64,
        "deepseek2.expert_gating_func": 2,
        "deepseek2.expert_weights_norm": true,
        "deepseek2.expert_weights_scale": { f32: 1.5 },
        "deepseek2.rope.scaling.type": "yarn",
        "deepseek2.rope.scaling.factor": { f32: 8 },
        "deepseek2.rope.scaling.original_context_length": 64,
        "deepseek2.rope.scaling.yarn_log_multiplier": { f32: 0.0707 },
      },
    },
    tokenCount: 200,
    why: "deepseek2 with zeros behind latents, sealed, experts of groups by sigmoid, YaRN",
  },
];

for (const { model, tokenCount = 70, tuned = {}, why } of CASES) {
  Deno.test(`profile exact gives the reference's logits (${why})`, () =>
    withTinyModel(model, async (path) => {
      const file = await readGguf(path);
      const loaded = await loadModel(file, () => {});
      loaded.gpu.facts.tuned = tuned;
      const promptIds = tinyPrompt(tokenCount, 3);
      const run = await createSequenceRun(loaded, {
        profile: { name: "exact" },
        promptIds,
        maxTokens: 4,
      });
      try {
        const logits: Float32Array[] = [];
        while (logits.length < tokenCount) {
          logits.push(...await run.nextSlice({ wantsLogits: true }));
        }
        // A latent is key and value: rounding counts twice, so the reference rounds as well.
        const keepsLatents = LATENT_ARCHITECTURES.includes(model.architecture ?? "");
        const options = keepsLatents ? { kept: Math.f16round } : {};
        const expected = referenceLogits(file, promptIds, options);
        assertEquals(logits.length, expected.length);
        for (const [position, row] of logits.entries()) {
          assertNear(row, expected[position], NMSE_MAX, `position ${position}`);
        }
      } finally {
        run.destroy();
        loaded.gpu.close();
      }
    }));
}

Deno.test("decode gives the reference's logits for the tokens it chose", () =>
  withTinyModel({ type: "Q4_1" }, async (path) => {
    const file = await readGguf(path);
    const loaded = await loadModel(file, () => {});
    const promptIds = tinyPrompt(200, 9);
    const profile = { name: "exact" as const };
    const run = await createSequenceRun(loaded, { profile, promptIds, maxTokens: 20 });
    try {
      let last: Float32Array = new Float32Array();
      for (let position = 0; position < promptIds.length;) {
        for (const row of await run.nextSlice({ wantsLogits: true })) {
          last = row;
          position++;
        }
      }
      const ids = [...promptIds, last.indexOf(Math.max(...last))];
      const rows: Float32Array[] = [];
      for (let count = 0; count < 8; count++) {
        const { id, logits } = await run.nextToken();
        rows.push(logits);
        assertEquals(id, logits.indexOf(Math.max(...logits)), "the likeliest token is chosen");
        ids.push(id);
      }
      const expected = referenceLogits(file, ids).slice(promptIds.length);
      rows.forEach((row, i) => assertNear(row, expected[i], NMSE_MAX, `token ${i}`));
    } finally {
      run.destroy();
      loaded.gpu.close();
    }
  }));

Deno.test("weights and caches larger than a binding are split, and give the same logits", () =>
  withTinyModel({ type: "F32", vocabSize: 2000, layerCount: 7 }, async (path) => {
    const file = await readGguf(path);
    const gpu = await openGpu();
    const bindingSizeMax = 180_000; // holds the partial results of 5 splits
    gpu.facts.bindingSizeMax = bindingSizeMax;
    const plan = readModelPlan(file);
    const weights = await uploadWeights(gpu, { file, plan, onProgress: () => {} });
    assert(weights.embedding.parts.length > 2, "the embedding has several parts");
    const promptIds = tinyPrompt(400, 3);
    const loaded = { gpu, file, plan, shape: plan.shape, weights };
    const run = await createSequenceRun(loaded, { profile: { name: "exact" }, promptIds });
    try {
      const rows: Float32Array[] = [];
      while (rows.length < promptIds.length) {
        rows.push(...await run.nextSlice({ wantsLogits: true }));
      }
      const expected = referenceLogits(file, promptIds);
      for (const position of [0, 63, 64, 255, 399]) {
        assertNear(rows[position], expected[position], NMSE_MAX, `position ${position}`);
      }
    } finally {
      run.destroy();
      gpu.close();
    }
  }));

for (
  const { why, ...model } of [
    { why: "a gated product", typesOf: { "ffn_up.weight": "Q4_1", "attn_v.weight": "Q4_0" } },
    { why: "experts", architecture: "qwen3moe", typesOf: { "ffn_up_exps.weight": "Q4_1" } },
  ] as const
) {
  Deno.test(`each of gate and up, and of query, key and value, takes the bytes of its own type (${why})`, () =>
    withTinyModel({ ...model, width: 256, type: "Q8_0" }, async (path) => {
      const file = await readGguf(path);
      const gpu = await openGpu();
      try {
        const plan = readModelPlan(file);
        const { sizeBytes } = await uploadWeights(gpu, { file, plan, onProgress: () => {} });
        const fileBytes = weightSizeBytes(file);
        // Beside the file: biases of routers, gains and shifts of heads.
        assert(sizeBytes >= fileBytes && sizeBytes < 1.03 * fileBytes, `${sizeBytes} ${fileBytes}`);
      } finally {
        gpu.close();
      }
    }));
}
