import type { TinyModelOptions } from "./tiny_model.ts";

/**
 * DeepSeek V2 as its models are: queries of a latent of their own, a layer with a gated product,
 * then experts weighed by a softmax of all, with one that all tokens go through; YaRN.
 */
export const TINY_DEEPSEEK2: Partial<TinyModelOptions> = {
  architecture: "deepseek2",
  layerCount: 3,
  expertCount: 8,
  sizesMetadata: {
    "deepseek2.expert_weights_scale": { f32: 1.5 },
    "deepseek2.expert_feed_forward_length": 64,
    "deepseek2.rope.scaling.type": "yarn",
    "deepseek2.rope.scaling.factor": { f32: 8 },
    "deepseek2.rope.scaling.original_context_length": 64,
    "deepseek2.rope.scaling.yarn_log_multiplier": { f32: 0.0707 },
  },
};

/**
 * The same as DeepSeek V3 is: experts of two of four groups, weighed by logistic functions with
 * something added to choose by, and divided by their sum.
 */
export const TINY_DEEPSEEK2_GROUPS: Partial<TinyModelOptions> = {
  ...TINY_DEEPSEEK2,
  expertCount: 16,
  sizesMetadata: {
    ...TINY_DEEPSEEK2.sizesMetadata,
    "deepseek2.expert_used_count": 4,
    "deepseek2.expert_gating_func": 2,
    "deepseek2.expert_weights_norm": true,
    "deepseek2.expert_group_count": 4,
    "deepseek2.expert_group_used_count": 2,
  },
};
