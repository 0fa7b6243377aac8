/**
 * A cache that the device has room for, found by allocating: a device with memory of its own does
 * not say how much it has.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { alignUp, SLICE_TOKEN_COUNT, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { arenaWords } from "../kvcache/cache_shape.ts";
import { cacheBufferBytes } from "../kvcache/kv_cache.ts";
import { ROW_TILE } from "../kernels/matmul/row_counts.ts";
import { attentionShapes, partialsSizeBytesMax } from "../model/attention_splits.ts";
import { choiceSizes } from "../model/block_choice.ts";
import { LatentGroup } from "../model/latent_group.ts";
import type { ReadMethod } from "./read_method.ts";
import { type CachePlan, planCache, type PlanOptions } from "./cache_plan.ts";
import type { LoadedModel } from "./load_model.ts";

/** Of activations, unpacked tiles, sealing and staging, beside what {@link workBytes} counts. */
const WORK_BYTES = 96 * 2 ** 20;

/** What a planned cache follows from. */
export type FitOptions = Omit<PlanOptions, "arenaLimitBytes"> & {
  /** Called if there is no room for what was planned, with what there is room for. */
  onShrunk: (wantedBytes: number, arenaBytes: number) => void;
  /** Rows of a step that check guesses; none if left out. */
  draftRowCount?: number;
  /** What decode rows read; everything if left out or null. */
  read?: ReadMethod | null;
};

/**
 * Plans a cache and verifies by allocating that it fits beside the weights and what steps work in.
 * Without a given size it shrinks by half until it does.
 *
 * @throws {EngineError} `model_too_large` if not even one sequence fits, or as {@link planCache}
 * does; `out_of_memory` if the size is given and does not fit.
 */
export async function fitCache(model: LoadedModel, options: FitOptions): Promise<CachePlan> {
  const { onShrunk, draftRowCount = 0, read = null, ...wanted } = options;
  const limits = { ...wanted, arenaLimitBytes: arenaLimitBytes(model.gpu) };
  const fits = (plan: CachePlan) =>
    model.gpu.hasRoomFor([
      ...cacheBufferBytes(plan.shape),
      ...workBytes(model, { ...plan, draftRowCount, read }),
    ]);
  let plan = planCache(model, limits);
  if (await fits(plan)) return plan;
  const wantedBytes = arenaBytes(plan);
  if (options.arenaSizeBytes !== undefined) {
    throw new EngineError(
      "out_of_memory",
      `Cannot allocate ${wantedBytes} bytes for packed blocks: the device has no room for them ` +
        "beside the weights; give less with --kv-memory",
    );
  }
  do {
    const smaller = halved(model, limits, plan);
    if (smaller === null) {
      throw new EngineError(
        "model_too_large",
        "Cannot serve the model: beside its weights the device has no room for a cache of " +
          `${arenaBytes(plan)} bytes; use a smaller --ctx or fewer --sequences`,
      );
    }
    plan = smaller;
  } while (!await fits(plan));
  onShrunk(wantedBytes, arenaBytes(plan));
  return plan;
}

/** A plan of half the size; null if that holds nothing. */
function halved(
  model: LoadedModel,
  options: PlanOptions,
  plan: CachePlan,
): CachePlan | null {
  const arenaLimitBytes = Math.floor(arenaBytes(plan) / 2);
  try {
    return planCache(model, { ...options, arenaLimitBytes });
  } catch (error) {
    if (error instanceof EngineError && error.code === "model_too_large") return null;
    throw error;
  }
}

/** Bytes of buffers that steps work in, beside the cache. */
export function workBytes(
  { gpu, shape, plan }: Pick<LoadedModel, "gpu" | "shape" | "plan">,
  { shape: cacheShape, draftRowCount = 0, read = null }:
    & Pick<CachePlan, "shape">
    & Pick<FitOptions, "draftRowCount" | "read">,
): number[] {
  const decodeRowCount = cacheShape.slotCount + draftRowCount;
  const logitBytes = (decodeRowCount + SLICE_TOKEN_COUNT) * shape.vocabSize * WORD_SIZE_BYTES;
  const { shapes, sealedShape } = attentionShapes(plan);
  const partials = [SLICE_TOKEN_COUNT, decodeRowCount].map((rowCount) =>
    partialsSizeBytesMax(gpu.facts, { shapes, cacheShape, rowCount })
  );
  const rowCountMax = alignUp(decodeRowCount, ROW_TILE);
  const latents = [
    LatentGroup.sizeBytes(gpu.facts, { plan, rowCount: SLICE_TOKEN_COUNT, isSlice: true }),
    LatentGroup.sizeBytes(gpu.facts, { plan, rowCount: rowCountMax, isSlice: false }),
  ];
  const choice = read === null
    ? []
    : Object.values(choiceSizes(cacheShape, { shape: sealedShape, rowCountMax, method: read }));
  return [WORK_BYTES, logitBytes, ...partials, ...latents, ...choice].filter((each) => each > 0);
}

function arenaBytes({ shape }: CachePlan): number {
  return arenaWords(shape) * WORD_SIZE_BYTES;
}

/** Most device memory that sealed blocks take unless a budget is given. */
function arenaLimitBytes(gpu: Gpu): number {
  const { isFallback, bufferSizeMax } = gpu.facts;
  if (!isFallback) return bufferSizeMax;
  return Math.min(bufferSizeMax, Math.floor(Deno.systemMemoryInfo().available / 4));
}
