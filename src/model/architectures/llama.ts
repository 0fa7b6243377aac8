import {
  type ArchitecturePlan,
  eachLayer,
  readAttention,
  readBiases,
  readEnds,
  readFeedForward,
  readOutputBias,
} from "./layers.ts";
import { readExpertsIfAny } from "./experts.ts";
import type { ModelReader } from "./model_reader.ts";
import { readRope } from "./rope.ts";
import { type ModelSizes, readSizes } from "./sizes.ts";
import { layerTensor } from "./tensor_names.ts";

/**
 * Llama 1 to 3, Mixtral and kin: Q and K are stored so that RoPE turns neighbouring channels.
 * Some have biases in attention, some have experts.
 */
export function readLlama(reader: ModelReader): ArchitecturePlan {
  const sizes = readSizes(reader);
  const rope = readRope(reader, sizes, "neighbours");
  return {
    sizes,
    ...readEnds(reader, sizes),
    layers: eachLayer(sizes, (index) => ({
      attention: readAttention(reader, sizes, {
        index,
        rope,
        biases: hasBiases(reader, sizes, index) ? readBiases(reader, sizes, index) : null,
        outputBias: readOutputBias(reader, sizes, index),
      }),
      feedForward: readFeedForward(reader, sizes, {
        index,
        ...readExpertsIfAny(reader, sizes, index),
      }),
    })),
  };
}

function hasBiases(reader: ModelReader, sizes: ModelSizes, index: number): boolean {
  const { queryHeadCount, headSize } = sizes;
  return reader.hasTensor(layerTensor(index, "attn_q", "bias"), [queryHeadCount * headSize]);
}
