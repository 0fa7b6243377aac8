/** How many workgroups go through a row of logits to choose a token. */

import type { Variant } from "../variant.ts";
import { CHUNKS_VOCAB_SIZE_MAX } from "./chunks.ts";

/** A way of choosing. */
export interface SampleVariant extends Variant<{ vocabSize: number }> {
  readonly name: "row" | "chunks";
}

/** Below, one workgroup is through a row before another kernel would start. */
const CHUNKS_VOCAB_SIZE_MIN = 8192;

/** The fastest first. */
export const SAMPLE_VARIANTS: readonly SampleVariant[] = [
  {
    name: "chunks", // a CPU has as many threads as rows
    supports: ({ isFallback }, { vocabSize }) =>
      !isFallback && vocabSize >= CHUNKS_VOCAB_SIZE_MIN && vocabSize <= CHUNKS_VOCAB_SIZE_MAX,
    tuned: [],
  },
  { name: "row", supports: () => true, tuned: ["software Vulkan"] },
];
