import type { RopePlan } from "../plan.ts";
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

/**
 * Phi 3 and 4-mini: heads in one tensor, gate and up in another, LongRoPE. A window that the file
 * names is not applied, as in llama.cpp, since converters do not say which layers see it.
 */
export function readPhi3(reader: ModelReader): ArchitecturePlan {
  const sizes = readSizes(reader);
  const rope = readLongRope(reader, sizes);
  const { width, feedForwardWidth } = sizes;
  const queryWidth = sizes.queryHeadCount * sizes.headSize;
  const kvWidth = sizes.kvHeadCount * sizes.headSize;
  return {
    sizes,
    ...readEnds(reader, sizes),
    layers: eachLayer(sizes, (index) => {
      const fused = layerTensor(index, "attn_qkv");
      const heads = reader.matrices(fused, width, [queryWidth, kvWidth, kvWidth]);
      const halves = [feedForwardWidth, feedForwardWidth];
      const [gate, up] = reader.matrices(layerTensor(index, "ffn_up"), width, halves);
      return {
        attention: readAttention(reader, sizes, { index, rope, heads }),
        feedForward: readFeedForward(reader, sizes, { index, gateUp: [gate, up] }),
      };
    }),
  };
}

/**
 * RoPE with factors for short or for long contexts, whichever the file's context is: longer than
 * what was trained before, or not. Ding et al. 2024, arXiv:2402.13753.
 */
function readLongRope(reader: ModelReader, sizes: ModelSizes): RopePlan {
  const rope = readRope(reader, sizes, "halves");
  const { contextLengthTrained } = sizes;
  const original = reader.count("rope.scaling.original_context_length", contextLengthTrained);
  const short = reader.vectorIfAny("rope_factors_short.weight", rope.dimension / 2);
  const long = reader.vectorIfAny("rope_factors_long.weight", rope.dimension / 2);
  return { ...rope, factors: contextLengthTrained > original ? long : short };
}
