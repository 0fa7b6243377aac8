import type { FeedForwardPlan } from "../plan.ts";
import { readExperts, readSharedExperts } from "./experts.ts";
import { readLatentAttention, readLatentRope, readLatentSizes } from "./latents.ts";
import { type ArchitecturePlan, eachLayer, readEnds, readFeedForward } from "./layers.ts";
import type { ModelReader } from "./model_reader.ts";
import type { ModelSizes } from "./sizes.ts";

/**
 * DeepSeek V2 and kin: latents in the place of keys and values, first layers with a gated product,
 * the others with experts and some that all tokens go through.
 */
export function readDeepseek2(reader: ModelReader): ArchitecturePlan {
  const { sizes, latents } = readLatentSizes(reader);
  const { rope, scale } = readLatentRope(reader, sizes, latents);
  const denseCount = reader.number("leading_dense_block_count", 0);
  const isDense = (index: number) => index < denseCount || reader.number("expert_count", 0) === 0;
  const sharedWidth = isDense(sizes.layerCount - 1) ? 0 : sharedWidthOf(reader);
  return {
    sizes: { ...sizes, feedForwardWidth: Math.max(sizes.feedForwardWidth, sharedWidth) },
    ...readEnds(reader, sizes),
    layers: eachLayer(sizes, (index) => ({
      attention: readLatentAttention(reader, sizes, {
        index,
        keyValueLayer: index,
        latents,
        rope,
        scale,
      }),
      feedForward: isDense(index)
        ? readFeedForward(reader, sizes, { index, experts: null })
        : readMixture(reader, sizes, { index, sharedWidth }),
    })),
  };
}

function readMixture(
  reader: ModelReader,
  sizes: ModelSizes,
  { index, sharedWidth }: { index: number; sharedWidth: number },
): FeedForwardPlan {
  const width = reader.count("expert_feed_forward_length");
  return readFeedForward(reader, sizes, {
    index,
    ...readExperts(reader, sizes, { index, width, isDeepseek: true }),
    shared: sharedWidth === 0 ? null : readSharedExperts(reader, sizes, index, sharedWidth),
  });
}

/** Rows of gate and up of the experts that all tokens go through: they are one product. */
function sharedWidthOf(reader: ModelReader): number {
  return reader.number("expert_shared_count", 0) * reader.count("expert_feed_forward_length");
}
