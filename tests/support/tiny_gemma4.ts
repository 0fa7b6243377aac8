import type { TinyModelOptions } from "./tiny_model.ts";

/**
 * Gemma 4 as its small models are: every second layer sees everything, with heads of its own and
 * keys as values; the last two layers share keys and values of those before; inputs by layer.
 */
export const TINY_GEMMA4: Partial<TinyModelOptions> = {
  architecture: "gemma4",
  layerCount: 6,
  headSize: 128,
  ropeFactors: Array.from({ length: 64 }, (_, pair) => pair < 16 ? 1 : 1e30),
  leftOut: [1, 3].map((layer) => `blk.${layer}.attn_v.weight`),
  sizesMetadata: {
    "gemma4.attention.sliding_window_pattern": [true, false, true, false, true, false],
    "gemma4.attention.key_length_swa": 64,
    "gemma4.attention.value_length_swa": 64,
    "gemma4.rope.dimension_count_swa": 64,
    "gemma4.attention.head_count_kv": [2, 1, 2, 1, 2, 1],
    "gemma4.attention.shared_kv_layers": 2,
    "gemma4.feed_forward_length": [128, 128, 128, 128, 256, 256],
    "gemma4.embedding_length_per_layer_input": 64,
    "gemma4.final_logit_softcapping": { f32: 3 },
  },
};
