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

/** Of so many layers the last does not turn queries and keys. */
const TURNLESS_LAYER_STEP = 4;

/** SmolLM 3: llama without RoPE in every fourth layer. Yang et al. 2025, arXiv:2501.18795. */
export function readSmollm3(reader: ModelReader): ArchitecturePlan {
  const sizes = readSizes(reader);
  const rope = readRope(reader, sizes, "neighbours");
  const scale = reader.number("attention.scale", 0) || 1 / Math.sqrt(sizes.headSize);
  return {
    sizes,
    ...readEnds(reader, sizes),
    layers: eachLayer(sizes, (index) => {
      const isTurned = (index + 1) % TURNLESS_LAYER_STEP !== 0;
      const turn = isTurned ? rope : null;
      return {
        attention: readAttention(reader, sizes, { index, rope: turn, scale }),
        feedForward: readFeedForward(reader, sizes, { index }),
      };
    }),
  };
}
