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
