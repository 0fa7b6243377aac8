import { readExperts } from "./experts.ts";
import {
  type ArchitecturePlan,
  eachLayer,
  readAttention,
  readBiases,
  readEnds,
  readFeedForward,
} from "./layers.ts";
import type { ModelReader } from "./model_reader.ts";
import { readRope } from "./rope.ts";
import { readSizes } from "./sizes.ts";
import { layerTensor } from "./tensor_names.ts";
import { readWindows } from "./windows.ts";

/**
 * gpt-oss: each query head has a learned sink, every other layer sees a window, experts with
 * clamped SwiGLU and biases everywhere. OpenAI 2025, arXiv:2508.10925.
 */
export function readGptOss(reader: ModelReader): ArchitecturePlan {
  const sizes = readSizes(reader);
  const { width, queryHeadCount } = sizes;
  const rope = readRope(reader, sizes, "halves");
  const windowRope = { ...rope, base: reader.positive("rope.freq_base_swa", rope.base) };
  const windows = readWindows(reader, sizes, { period: 2, window: 128 });
  const expertWidth = reader.count("expert_feed_forward_length", sizes.feedForwardWidth);
  return {
    sizes,
    ...readEnds(reader, sizes),
    layers: eachLayer(sizes, (index) => ({
      attention: readAttention(reader, sizes, {
        index,
        rope: windows[index] === null ? rope : windowRope,
        window: windows[index],
        biases: readBiases(reader, sizes, index),
        sinks: reader.vector(layerTensor(index, "attn_sinks"), queryHeadCount),
        outputBias: reader.vector(layerTensor(index, "attn_output", "bias"), width),
      }),
      feedForward: readFeedForward(reader, sizes, {
        index,
        // The norm before it, whatever the tensor's name.
        normBefore: reader.vector(layerTensor(index, "post_attention_norm"), width),
        activation: "clamped",
        ...readExperts(reader, sizes, { index, width: expertWidth, hasBiases: true }),
      }),
    })),
  };
}
