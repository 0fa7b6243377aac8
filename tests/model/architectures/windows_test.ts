/** Which layers see a window, and what else Gemma and OLMo make of it. */

import { assertEquals, assertThrows } from "@std/assert";
import { EngineError } from "../../../src/core/errors.ts";
import { GgufMetadata } from "../../../src/gguf/metadata.ts";
import { readArchitecture } from "../../../src/model/architectures/registry.ts";
import { EMBEDDING_NAME, HEAD_NAME } from "../../../src/model/architectures/tensor_names.ts";
import type { AttentionPlan } from "../../../src/model/plan.ts";

/** Attention of all layers of a header that has every tensor asked for. */
function layersOf(architecture: string, keys: Record<string, unknown>): AttentionPlan[] {
  const own = {
    block_count: 6,
    context_length: 4096,
    embedding_length: 5376,
    feed_forward_length: 64,
    "attention.head_count": 32,
    "attention.head_count_kv": 16,
    "attention.key_length": 128,
    "attention.layer_norm_rms_epsilon": 1e-6,
    "rope.freq_base": 1e6,
    ...keys,
  };
  const pairs = Object.entries(own).map(([key, value]) => [`${architecture}.${key}`, value]);
  const metadata = new GgufMetadata(
    Object.fromEntries([["general.architecture", architecture], ...pairs]),
  );
  const optional = ["rope_freqs.weight", HEAD_NAME];
  const plan = readArchitecture(metadata, {
    shapeOf: (name, wanted) => {
      if (optional.includes(name)) return null;
      return name === EMBEDDING_NAME ? [5376, 256] : wanted;
    },
    names: () => [],
  });
  return plan.layers.map(({ attention }) => attention);
}

const windowsOf = (layers: readonly AttentionPlan[]) => layers.map(({ window }) => window);

Deno.test("gemma3: of six layers five see the window, and turn by a base of their own, unscaled", () => {
  const layers = layersOf("gemma3", {
    block_count: 7,
    "attention.sliding_window": 1024,
    "rope.scaling.type": "linear",
    "rope.scaling.factor": 8,
  });
  assertEquals(windowsOf(layers), [1024, 1024, 1024, 1024, 1024, null, 1024]);
  assertEquals(layers.map(({ rope }) => [rope?.base, rope?.positionScale]), [
    ...new Array(5).fill([10_000, 1]),
    [1e6, 8],
    [10_000, 1],
  ]);
});

Deno.test("gemma3: without a window every layer sees everything", () => {
  const layers = layersOf("gemma3", {});
  assertEquals(windowsOf(layers), new Array(6).fill(null));
  assertEquals(layers[0].rope?.base, 1e6);
});

Deno.test("gemma2 and 3: the largest model scales scores by its width, others by the head", () => {
  for (const [architecture, layerCount] of [["gemma2", 46], ["gemma3", 62]] as const) {
    const [largest] = layersOf(architecture, { block_count: layerCount });
    const [other] = layersOf(architecture, {});
    assertEquals([largest.scale, other.scale], [1 / Math.sqrt(5376 / 32), 1 / Math.sqrt(128)]);
  }
});

Deno.test("gemma2: every other layer sees 4,096 tokens and caps its scores at 50, unless the file says else", () => {
  const layers = layersOf("gemma2", {});
  assertEquals(windowsOf(layers), [4096, null, 4096, null, 4096, null]);
  assertEquals(layers[1].softCap, 50);
  const own = { "attention.sliding_window": 64, "attn_logit_softcapping": 0 };
  const [first] = layersOf("gemma2", own);
  assertEquals([first.window, first.softCap], [64, null]);
});

Deno.test("olmo2: a file with a window says by a period or by layer who sees it", () => {
  const window = { "attention.sliding_window": 32 };
  const key = "attention.sliding_window_pattern";
  assertEquals(windowsOf(layersOf("olmo2", {})), new Array(6).fill(null));
  assertEquals(windowsOf(layersOf("olmo2", window)), [32, 32, 32, null, 32, 32]);
  assertEquals(windowsOf(layersOf("olmo2", { ...window, [key]: 2 })), [
    32,
    null,
    32,
    null,
    32,
    null,
  ]);
  const flags = [true, true, false, true, false, true];
  assertEquals(windowsOf(layersOf("olmo2", { ...window, [key]: flags })), [
    32,
    32,
    null,
    32,
    null,
    32,
  ]);
  const says = 'sliding_window_pattern" has 2 values for 6 layers';
  assertThrows(
    () => layersOf("olmo2", { ...window, [key]: [true, false] }),
    EngineError,
    says,
  );
});

Deno.test("a window that is no count of tokens is refused by its key", () => {
  const layers = () => layersOf("gemma3", { "attention.sliding_window": 12.5 });
  assertThrows(layers, EngineError, 'gemma3.attention.sliding_window" is 12.5');
});
