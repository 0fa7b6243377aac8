import { type ArchitecturePlan, eachLayer, readEnds, readFeedForward } from "./layers.ts";
import { readExperts } from "./experts.ts";
import type { ModelReader } from "./model_reader.ts";
import { readQwen3Attention } from "./qwen3.ts";
import { readRope } from "./rope.ts";
import { readSizes } from "./sizes.ts";

/** Qwen 3 with experts: the attention of Qwen 3, and experts in every layer. */
export function readQwen3moe(reader: ModelReader): ArchitecturePlan {
  const sizes = readSizes(reader);
  const rope = readRope(reader, sizes, "halves");
  const usedCount = reader.count("expert_used_count");
  const width = reader.count("expert_feed_forward_length", sizes.feedForwardWidth / usedCount);
  return {
    sizes,
    ...readEnds(reader, sizes),
    layers: eachLayer(sizes, (index) => ({
      attention: readQwen3Attention(reader, sizes, { index, rope }),
      feedForward: readFeedForward(reader, sizes, {
        index,
        ...readExperts(reader, sizes, { index, width }),
      }),
    })),
  };
}
