import {
  type ArchitecturePlan,
  eachLayer,
  readAttention,
  readEnds,
  readFeedForward,
} from "./layers.ts";
import type { ModelReader } from "./model_reader.ts";
import { readRope } from "./rope.ts";
import { type ModelSizes, readSizes } from "./sizes.ts";
import { layerTensor } from "./tensor_names.ts";

/** Qwen 2 and 2.5: biases of query, key and value. */
export function readQwen2(reader: ModelReader): ArchitecturePlan {
  const sizes = readSizes(reader);
  const rope = readRope(reader, sizes, "halves");
  return {
    sizes,
    ...readEnds(reader, sizes),
    layers: eachLayer(sizes, (index) => {
      const biases = readBiases(reader, sizes, index);
      return {
        attention: readAttention(reader, sizes, { index, rope, biases }),
        feedForward: readFeedForward(reader, sizes, { index }),
      };
    }),
  };
}

function readBiases(reader: ModelReader, sizes: ModelSizes, index: number): string[] {
  const { queryHeadCount, kvHeadCount, headSize } = sizes;
  const bias = (part: string, headCount: number) =>
    reader.vector(layerTensor(index, part, "bias"), headCount * headSize);
  return [bias("attn_q", queryHeadCount), bias("attn_k", kvHeadCount), bias("attn_v", kvHeadCount)];
}
