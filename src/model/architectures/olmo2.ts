import {
  type ArchitecturePlan,
  eachLayer,
  readAttention,
  readEnds,
  readFeedForward,
} from "./layers.ts";
import type { ModelReader } from "./model_reader.ts";
import { readRope } from "./rope.ts";
import { readSizes } from "./sizes.ts";
import { layerTensor } from "./tensor_names.ts";
import { readWindows } from "./windows.ts";

/**
 * OLMo 2 and 3: all query heads are normed as one, so are all key heads; layers norm what they
 * give. In OLMo 3 three of four layers see a window.
 */
export function readOlmo2(reader: ModelReader): ArchitecturePlan {
  const sizes = readSizes(reader);
  const { width, queryHeadCount, kvHeadCount, headSize } = sizes;
  const rope = readRope(reader, sizes, "halves");
  const windows = readWindows(reader, sizes, { period: 4, window: 0 });
  const windowRope = {
    ...rope,
    base: reader.positive("rope.freq_base_swa", rope.base),
    positionScale: 1,
    yarn: null,
    magnitude: 1,
  };
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
        rope: windows[index] === null ? rope : windowRope,
        window: windows[index],
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
