/**
 * How much context of a model fits a memory: the bytes that its weights and its cache take.
 *
 * @module
 */

import {
  BLOCK_TOKEN_COUNT,
  isSealedWithin,
  sealedWithinCount,
  WINDOW_BLOCK_COUNT,
  windowTileCount,
} from "../../src/core/shapes.ts";
import type { ModelSizes } from "./catalogue.ts";

/** Bytes of a value in f16, as the profile `exact` keeps it. */
const EXACT_VALUE_SIZE_BYTES = 2;

/** For activations, tables and kernels, beside weights and cache. */
const WORKSPACE_SIZE_BYTES = 256 * 2 ** 20;

/** As much of the memory is taken at most. */
const MEMORY_SHARE_MAX = 0.9;

/** How many times smaller than f16 sealed blocks are, measured on the default model (README). */
export const SEALED_RATIOS = { exact: 1, balanced: 7.55 } as const;

/** Profiles that a fit is estimated for. */
export type FitProfile = keyof typeof SEALED_RATIOS;

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
  const ratio = SEALED_RATIOS[profile];
  const rawBytes = 2 * model.keyWidth * EXACT_VALUE_SIZE_BYTES; // of K and V in a layer
  let tokenBytes = 0;
  let freeBytes = memoryBytes * MEMORY_SHARE_MAX - model.sizeBytes - WORKSPACE_SIZE_BYTES;
  for (const { count, window } of model.layers) {
    // The newest tokens of each layer, and all of a window that nothing is sealed within, stay f16.
    const isWide = window !== null && isSealedWithin(window, WINDOW_BLOCK_COUNT);
    const rawCount = windowTileCount(isWide ? null : window, WINDOW_BLOCK_COUNT);
    const sealedCount = isWide ? sealedWithinCount(window, WINDOW_BLOCK_COUNT) : 0;
    freeBytes -= count * rawBytes * BLOCK_TOKEN_COUNT * (rawCount + sealedCount / ratio);
    if (window === null) tokenBytes += count * rawBytes / ratio;
  }
  if (freeBytes <= 0) return 0;
  return Math.min(model.contextLengthTrained, Math.floor(freeBytes / tokenBytes));
}
