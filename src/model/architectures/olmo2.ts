import {
  type ArchitecturePlan,
  eachLayer,
  readAttention,
  readEnds,
  readFeedForward,
} from "./layers.ts";
import { type ModelReader, unsupported } from "./model_reader.ts";
import { readRope } from "./rope.ts";
import { readSizes } from "./sizes.ts";
import { layerTensor } from "./tensor_names.ts";

/** OLMo 2: all query heads are normed as one, so are all key heads; layers norm what they give. */
export function readOlmo2(reader: ModelReader): ArchitecturePlan {
  const sizes = readSizes(reader);
  const window = reader.number("attention.sliding_window", 0);
  if (window > 0) throw unsupported(`layers attend to a window of ${window} tokens`);
  const { width, queryHeadCount, kvHeadCount, headSize } = sizes;
  const rope = readRope(reader, sizes, "halves");
  const readNorm = (index: number, part: string, headCount: number) => ({
    tensor: reader.vector(layerTensor(index, part), headCount * headSize),
    over: "row" as const,
  });
  const readNormAfter = (index: number, part: string) =>
    reader.vector(layerTensor(index, part), width);
  return {
    sizes,
    ...readEnds(reader, sizes),
    layers: eachLayer(sizes, (index) => ({
      attention: readAttention(reader, sizes, {
        index,
        rope,
        normBefore: null,
        queryNorm: readNorm(index, "attn_q_norm", queryHeadCount),
        keyNorm: readNorm(index, "attn_k_norm", kvHeadCount),
        normAfter: readNormAfter(index, "post_attention_norm"),
      }),
      feedForward: readFeedForward(reader, sizes, {
        index,
        normBefore: null,
        normAfter: readNormAfter(index, "post_ffw_norm"),
      }),
    })),
  };
}
