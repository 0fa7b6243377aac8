import { readLatentAttention, readLatentRope, readLatentSizes } from "./latents.ts";
import { type ArchitecturePlan, eachLayer, readEnds, readFeedForward } from "./layers.ts";
import type { ModelReader } from "./model_reader.ts";

/** Layers that share a latent, unless the file says how many. */
const SHARING_COUNT = 2;

/**
 * CLLA, arXiv:2410.15252: the first layer of each group makes a latent, which all layers of the
 * group attend to, each with queries, keys and values of its own. No file of it is published: keys
 * and tensors are named as those of deepseek2, with `attention.latent_layer_count` for the group.
 */
export function readClla(reader: ModelReader): ArchitecturePlan {
  const { sizes, latents } = readLatentSizes(reader);
  const { rope, scale } = readLatentRope(reader, sizes, latents);
  const groupSize = reader.count("attention.latent_layer_count", SHARING_COUNT);
  return {
    sizes,
    ...readEnds(reader, sizes),
    layers: eachLayer(sizes, (index) => ({
      attention: readLatentAttention(reader, sizes, {
        index,
        keyValueLayer: index - index % groupSize,
        latents,
        rope,
        scale,
      }),
      feedForward: readFeedForward(reader, sizes, { index }),
    })),
  };
}
