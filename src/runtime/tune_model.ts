/**
 * Tuning of a loaded model's kernels: products of its weights, and attention at the depth of a
 * usual context.
 *
 * @module
 */

import type { AnyCodec } from "../codec/registry.ts";
import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import { EXTENT_UNIT_WORDS } from "../scheduler/allocator.ts";
import { DISTINCT_COUNT } from "../tuning/sealed_cache.ts";
import { tune, type TuneOptions, type Tuning } from "../tuning/tune.ts";
import { planCache } from "./cache_plan.ts";
import type { LoadedModel } from "./load_model.ts";

/** Tokens of the sequence that attention is timed on, if the context allows so many. */
const DEPTH_MAX = 4096;

/** Tunes before the kernels of the model are made. */
export async function tuneModel(
  model: LoadedModel,
  { codec, contextLength }: { codec: AnyCodec; contextLength: number },
  options: Omit<TuneOptions, "model" | "attention">,
): Promise<Tuning> {
  return await tune(model.gpu, { ...options, model, attention: () => sealedShape() });

  function sealedShape() {
    const recordBytes = (codec.recordWords.max + EXTENT_UNIT_WORDS) * WORD_SIZE_BYTES;
    const { shape: cacheShape } = planCache(model, {
      codec,
      slotCount: 1,
      contextLength: Math.min(contextLength, DEPTH_MAX),
      // One more than there are, as a share of a group may be cut.
      arenaSizeBytes: (DISTINCT_COUNT + 1) * model.plan.layers.length * recordBytes,
    });
    return { cacheShape, codec };
  }
}
