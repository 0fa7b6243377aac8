import { assertEquals, assertLess, assertRejects } from "@std/assert";
import { EngineError, type EngineErrorCode } from "../../../src/core/errors.ts";
import { readGguf } from "../../../src/gguf/read_gguf.ts";
import type { GgufValue } from "../../support/write_gguf.ts";
import { readModelPlan } from "../../../src/model/architectures/registry.ts";
import { defaultModelPath } from "../../support/default_model.ts";
import { type TinyModelOptions, writeTinyModel } from "../../support/tiny_model.ts";
import { threadMs } from "../../support/waiting.ts";

async function planOf(options: Partial<TinyModelOptions>) {
  const path = await Deno.makeTempFile({ suffix: ".gguf" });
  try {
    await writeTinyModel(path, options);
    return readModelPlan(await readGguf(path));
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("readModelPlan() reads the dimensions of a made-up model", async () => {
  const plan = await planOf({ layerCount: 3, tiedOutput: false, type: "Q4_0" });
  assertEquals([plan.normEpsilon, plan.layers.length], [Math.fround(1e-5), 3]);
  assertEquals(plan.layers[2].attention.rope, {
    base: 10_000,
    dimension: 32,
    pairing: "neighbours",
    positionScale: 1,
    yarn: null,
    magnitude: 1,
    factors: null,
  });
  assertEquals(plan.shape, {
    name: "tiny",
    layerCount: 3,
    width: 64,
    feedForwardWidth: 128,
    queryHeadCount: 4,
    kvHeadCount: 2,
    headSize: 32,
    vocabSize: 288,
    contextLengthTrained: 512,
    tiedOutput: false,
    parameterCount: 2 * 64 * 288 + 64 +
      3 * (2 * 64 + 2 * 64 * 128 + 2 * 64 * 64 + 3 * 64 * 128),
  });
});

Deno.test("readModelPlan() reads the default model", async () => {
  const plan = readModelPlan(await readGguf(defaultModelPath()));
  assertEquals([plan.normEpsilon, plan.layers.length], [Math.fround(1e-5), 30]);
  assertEquals(plan.layers[29].attention.rope, {
    base: 100_000,
    dimension: 64,
    pairing: "neighbours",
    positionScale: 1,
    yarn: null,
    magnitude: 1,
    factors: null,
  });
  assertEquals(plan.shape, {
    name: "Smollm2 135M 8k Lc100K Mix1 Ep2",
    layerCount: 30,
    width: 576,
    feedForwardWidth: 1536,
    queryHeadCount: 9,
    kvHeadCount: 3,
    headSize: 64,
    vocabSize: 49_152,
    contextLengthTrained: 8192,
    tiedOutput: true,
    parameterCount: 134_515_008,
  });
});

Deno.test("readModelPlan() accepts every head size that is a multiple of 32 up to 512", async () => {
  for (const headSize of [32, 96, 512]) {
    const { shape, layers } = await planOf({ headSize, layerCount: 1 });
    assertEquals([shape.headSize, layers[0].attention.rope?.dimension], [headSize, headSize]);
  }
});

Deno.test("readModelPlan() reads linear RoPE scaling", async () => {
  const metadata = { "llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4 };
  const [layer] = (await planOf({ metadata })).layers;
  assertEquals(layer.attention.rope?.positionScale, 4);
});

Deno.test("readModelPlan() reads what is given for each layer, if all have the same", async () => {
  const metadata = {
    "llama.attention.head_count": [4, 4],
    "llama.attention.head_count_kv": [2, 2],
    "llama.feed_forward_length": [128, 128],
  };
  const { queryHeadCount, kvHeadCount, feedForwardWidth } = (await planOf({ metadata })).shape;
  assertEquals([queryHeadCount, kvHeadCount, feedForwardWidth], [4, 2, 128]);
});

/** One key changed, and what the refusal must say. */
const REFUSED: {
  metadata: Record<string, GgufValue>;
  code: EngineErrorCode;
  says: string;
}[] = [
  {
    metadata: { "general.architecture": "gemma" },
    code: "model_unsupported",
    says: `architecture is "gemma"; supported: `,
  },
  ...["qwen35", "qwen35moe", "lfm2"].map((architecture) => ({
    metadata: { "general.architecture": architecture },
    code: "model_unsupported" as const,
    says:
      `architecture is "${architecture}", which has recurrent layers: they are not supported yet`,
  })),
  {
    metadata: { "llama.expert_count": 8, "llama.expert_used_count": 9 },
    code: "model_file_invalid",
    says: "it uses 9 of 8 experts",
  },
  {
    metadata: {
      "llama.expert_count": 8,
      "llama.expert_used_count": 2,
      "llama.expert_gating_func": 2,
    },
    code: "model_unsupported",
    says: "it weighs experts by function 2; supported: softmax",
  },
  {
    metadata: { "llama.expert_count": 8, "llama.expert_used_count": 2 },
    code: "model_file_invalid",
    says: `tensor "blk.0.ffn_gate_exps.weight" is missing`,
  },
  { metadata: { "llama.expert_shared_count": 1 }, code: "model_unsupported", says: "all tokens" },
  {
    metadata: { "llama.rope.scaling.type": "longrope" },
    code: "model_unsupported",
    says: `"longrope"`,
  },
  {
    metadata: { "llama.rope.scaling.yarn_log_multiplier": { f32: 0.1 } },
    code: "model_unsupported",
    says: "yarn_log_multiplier",
  },
  {
    metadata: { "llama.logit_scale": { f32: 0.5 } },
    code: "model_unsupported",
    says: "it scales logits",
  },
  {
    metadata: { "llama.attention.value_length": 64 },
    code: "model_unsupported",
    says: "values 64",
  },
  { metadata: { "llama.block_count": 0 }, code: "model_file_invalid", says: "block_count" },
  {
    metadata: { "llama.attention.head_count": [4, 4, 4] },
    code: "model_file_invalid",
    says: `"llama.attention.head_count": it has 3 numbers for 2 layers`,
  },
  {
    metadata: { "llama.attention.head_count_kv": [2, 1] },
    code: "model_unsupported",
    says: `"llama.attention.head_count_kv" differs between layers (layer 0 has 2, layer 1 1)`,
  },
  {
    metadata: { "llama.block_count": 1_000_000 },
    code: "model_file_invalid",
    says: `"llama.block_count" is ${1_000_000}, but there are only 20 tensors`,
  },
  {
    metadata: { "llama.block_count": 2 ** 32 - 1 },
    code: "model_file_invalid",
    says: `"llama.block_count" is ${2 ** 32 - 1}, but there are only 20 tensors`,
  },
  {
    metadata: { "llama.block_count": { f32: 2 ** 33 } },
    code: "model_file_invalid",
    says: `"llama.block_count" is 8589934592, but there are only 20 tensors`,
  },
  {
    metadata: { "llama.rope.freq_base": { f32: NaN } },
    code: "model_file_invalid",
    says: `"llama.rope.freq_base": it is NaN, not a finite number`,
  },
  {
    metadata: { "llama.rope.freq_base": { f32: Infinity } },
    code: "model_file_invalid",
    says: `"llama.rope.freq_base": it is Infinity, not a finite number`,
  },
  {
    metadata: { "llama.rope.freq_base": 0 },
    code: "model_file_invalid",
    says: `"llama.rope.freq_base" is 0, no positive number`,
  },
  {
    metadata: { "llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": -2 },
    code: "model_file_invalid",
    says: `"llama.rope.scaling.factor" is -2`,
  },
  {
    metadata: { "llama.attention.layer_norm_rms_epsilon": { f32: NaN } },
    code: "model_file_invalid",
    says: `"llama.attention.layer_norm_rms_epsilon": it is NaN`,
  },
  {
    metadata: { "llama.expert_count": { f32: NaN } },
    code: "model_file_invalid",
    says: `"llama.expert_count": it is NaN`,
  },
  {
    metadata: { "llama.attention.head_count_kv": 3 },
    code: "model_file_invalid",
    says: "3 KV heads",
  },
  {
    metadata: { "llama.rope.dimension_count": 64 },
    code: "model_file_invalid",
    says: "64 of 32 channels",
  },
  {
    metadata: { "llama.block_count": 3 },
    code: "model_file_invalid",
    says: `"blk.2.attn_norm.weight" is missing`,
  },
  {
    metadata: { "llama.block_count": 1 },
    code: "model_unsupported",
    says: `"blk.1.attn_norm.weight", which would be ignored`,
  },
  {
    metadata: { "llama.feed_forward_length": 96 },
    code: "model_file_invalid",
    says: `"blk.0.ffn_gate.weight" has shape [64,128], expected [64,96]`,
  },
];

for (const { metadata, code, says } of REFUSED) {
  Deno.test(`readModelPlan() refuses ${JSON.stringify(metadata)}`, async () => {
    const startMs = threadMs();
    const error = await assertRejects(() => planOf({ metadata }), EngineError, says);
    assertEquals(error.code, code);
    // 30 s once, for a count of layers that nobody has tensors for.
    assertLess(threadMs() - startMs, 5000);
  });
}

for (const headSize of [16, 48, 544]) {
  Deno.test(`readModelPlan() refuses head size ${headSize}`, async () => {
    const refused = () => planOf({ headSize, layerCount: 1 });
    const error = await assertRejects(refused, EngineError, `head size is ${headSize}`);
    assertEquals(error.code, "model_unsupported");
  });
}

Deno.test("readModelPlan() accepts RoPE factors for half the turned channels only", async () => {
  const [layer] = (await planOf({ ropeFactors: new Array(16).fill(1) })).layers;
  assertEquals(layer.attention.rope?.factors, "rope_freqs.weight");
  await assertRejects(
    () => planOf({ ropeFactors: new Array(32).fill(1) }),
    EngineError,
    "has shape [32], expected [16]",
  );
});
