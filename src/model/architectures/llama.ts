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

/** Llama 1 to 3 and kin: Q and K are stored so that RoPE turns neighbouring channels. */
export function readLlama(reader: ModelReader): ArchitecturePlan {
  const sizes = readSizes(reader);
  const rope = readRope(reader, sizes, "neighbours");
  return {
    sizes,
    ...readEnds(reader, sizes),
    layers: eachLayer(sizes, (index) => ({
      attention: readAttention(reader, sizes, { index, rope }),
      feedForward: readFeedForward(reader, sizes, { index }),
    })),
  };
}
