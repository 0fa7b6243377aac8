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

/** Granite 3, dense: scales of the embedding, of scores, of what layers add, and of logits. */
export function readGranite(reader: ModelReader): ArchitecturePlan {
  const sizes = readSizes(reader);
  const rope = readRope(reader, sizes, "neighbours");
  const { embedding, head, normEpsilon } = readEnds(reader, sizes);
  const outputScale = reader.number("residual_scale", 1);
  // llama.cpp reads 0 as "none given", here and below.
  const scale = reader.number("attention.scale", 0) || 1 / Math.sqrt(sizes.headSize);
  return {
    sizes,
    normEpsilon,
    embedding: { ...embedding, scale: reader.number("embedding_scale", 1) || 1 },
    layers: eachLayer(sizes, (index) => ({
      attention: readAttention(reader, sizes, { index, rope, scale, outputScale }),
      feedForward: readFeedForward(reader, sizes, { index, outputScale }),
    })),
    head: { ...head, scale: 1 / (reader.number("logit_scale", 1) || 1) },
  };
}
