import type { AttentionPlan, RopePlan } from "../plan.ts";
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

/** Attention of layer `index`, whose query and key heads are normed. */
export function readQwen3Attention(
  reader: ModelReader,
  sizes: ModelSizes,
  { index, rope }: { index: number; rope: RopePlan },
): AttentionPlan {
  const readNorm = (part: string) => ({
    tensor: reader.vector(layerTensor(index, part), sizes.headSize),
    over: "head" as const,
  });
  return readAttention(reader, sizes, {
    index,
    rope,
    queryNorm: readNorm("attn_q_norm"),
    keyNorm: readNorm("attn_k_norm"),
  });
}

/** Qwen 3 without experts: each query and key head is normed before RoPE. */
export function readQwen3(reader: ModelReader): ArchitecturePlan {
  const sizes = readSizes(reader);
  const rope = readRope(reader, sizes, "halves");
  return {
    sizes,
    ...readEnds(reader, sizes),
    layers: eachLayer(sizes, (index) => ({
      attention: readQwen3Attention(reader, sizes, { index, rope }),
      feedForward: readFeedForward(reader, sizes, { index }),
    })),
  };
}
