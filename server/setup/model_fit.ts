/**
 * How much context of a model fits a memory: the bytes that its weights and its cache take.
 *
 * @module
 */

import type { ModelSizes } from "./catalogue.ts";

/** Bytes of a value in f16, as the profile `exact` keeps it. */
const EXACT_VALUE_SIZE_BYTES = 2;

/** The newest tokens of each sequence, which stay in f16. */
const RAW_TOKEN_COUNT = 192;

/** For activations, tables and kernels, beside weights and cache. */
const WORKSPACE_SIZE_BYTES = 256 * 2 ** 20;

/** As much of the memory is taken at most. */
const MEMORY_SHARE_MAX = 0.9;

/** How many times smaller than f16 a profile is, measured on the default model (README). */
const RATIOS = { exact: 1, balanced: 8.16 } as const;

/** Profiles that a fit is estimated for. */
export type FitProfile = keyof typeof RATIOS;

/**
 * Tokens of one sequence that fit; the trained context at most, 0 if the model itself does not.
 *
 * @param memoryBytes Memory of the device; of a software device, what is free.
 */
export function fittingContext(
  model: ModelSizes,
  profile: FitProfile,
  memoryBytes: number,
): number {
  const ratio = RATIOS[profile];
  const rawBytes = 2 * model.keyWidth * EXACT_VALUE_SIZE_BYTES; // of K and V in a layer
  let tokenBytes = 0;
  let freeBytes = memoryBytes * MEMORY_SHARE_MAX - model.sizeBytes - WORKSPACE_SIZE_BYTES;
  for (const { count, window } of model.layers) {
    const kept = Math.min(window ?? 0, model.contextLengthTrained);
    freeBytes -= count * rawBytes * (RAW_TOKEN_COUNT + kept / ratio);
    if (window === null) tokenBytes += count * rawBytes / ratio;
  }
  if (freeBytes <= 0) return 0;
  return Math.min(model.contextLengthTrained, Math.floor(freeBytes / tokenBytes));
}
