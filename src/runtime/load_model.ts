/**
 * Opens the device and puts a model's weights on it: what every cache and run shares.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import type { ModelShape } from "../core/shapes.ts";
import type { GgufFile } from "../gguf/read_gguf.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { openGpu } from "../gpu/open_gpu.ts";
import type { OpenOptions } from "../gpu/webgpu_source.ts";
import { readModelPlan } from "../model/architectures/registry.ts";
import type { ModelPlan } from "../model/plan.ts";
import { type ProductMath, productMath } from "../model/product_math.ts";
import { type SharedLayer, sharePlan } from "../model/shared_layers.ts";
import { type ModelWeights, uploadWeights, weightSizeBytes } from "../model/weights.ts";

/** Share of the free memory a model may take on a device that uses the computer's own. */
const FREE_MEMORY_SHARE_MAX = 0.9;

/** A model on a device. */
export interface LoadedModel {
  gpu: Gpu;
  file: GgufFile;
  plan: ModelPlan;
  /** The plan's. */
  shape: ModelShape;
  weights: ModelWeights;
  /** Layers that read what others keep though the file does not say so; none if left out. */
  sharedLayers?: readonly SharedLayer[];
  /** How its products are made; in f32 if left out. */
  math?: ProductMath;
}

/** Called with what loading is doing; `fraction` is 0 to 1. */
export type OnProgress = (message: string, fraction: number) => void;

/**
 * Opens the device and loads the weights of `file`.
 *
 * @param options Which GPU, which layers share, and how products are made.
 * @throws {EngineError} `model_file_invalid`, `model_unsupported`, `model_too_large` before
 * anything is loaded; `invalid_request` if products cannot be made so; `adapter_missing`,
 * `adapter_unsupported`, `out_of_memory`.
 */
export async function loadModel(
  file: GgufFile,
  onProgress: OnProgress,
  { sharedLayers = [], math = "f32", ...adapter }:
    & OpenOptions
    & Pick<LoadedModel, "sharedLayers" | "math"> = {},
): Promise<LoadedModel> {
  onProgress("opening the GPU", 0);
  const plan = sharePlan(readModelPlan(file), sharedLayers);
  const gpu = await openGpu(adapter);
  try {
    checkMemory(gpu, weightSizeBytes(file));
    const weights = await uploadWeights(gpu, { file, plan, onProgress });
    productMath(math, weights); // refuses what it cannot be
    return { gpu, file, plan, shape: plan.shape, weights, sharedLayers, math };
  } catch (error) {
    gpu.close();
    throw error;
  }
}

/**
 * Refuses a model that cannot fit. A device with memory of its own does not say how much it has;
 * there the allocation fails instead.
 *
 * @param needBytes Device bytes about to be allocated.
 * @throws {EngineError} `model_too_large` with both numbers.
 */
export function checkMemory(gpu: Gpu, needBytes: number): void {
  if (!gpu.facts.isFallback) return;
  const { available } = Deno.systemMemoryInfo();
  const limitBytes = Math.floor(available * FREE_MEMORY_SHARE_MAX);
  if (needBytes <= limitBytes) return;
  throw new EngineError(
    "model_too_large",
    `Cannot load the model: it needs ${needBytes} bytes, ${limitBytes} are free on this device`,
  );
}
