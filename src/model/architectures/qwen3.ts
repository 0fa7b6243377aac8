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

/** Qwen 3 without experts: each query and key head is normed before RoPE. */
export function readQwen3(reader: ModelReader): ArchitecturePlan {
  const sizes = readSizes(reader);
  const rope = readRope(reader, sizes, "halves");
  const readNorm = (index: number, part: string) => ({
    tensor: reader.vector(layerTensor(index, part), sizes.headSize),
    over: "head" as const,
  });
  return {
    sizes,
    ...readEnds(reader, sizes),
    layers: eachLayer(sizes, (index) => ({
      attention: readAttention(reader, sizes, {
        index,
        rope,
        queryNorm: readNorm(index, "attn_q_norm"),
        keyNorm: readNorm(index, "attn_k_norm"),
      }),
      feedForward: readFeedForward(reader, sizes, { index }),
    })),
  };
}
