/**
 * Products as a variant of slices wants them, and those of few rows.
 *
 * @module
 */

import type { Gpu } from "../../gpu/gpu.ts";
import type { MatmulCodesOptions } from "./code_inputs.ts";
import { MatmulCodesKernel } from "./codes.ts";
import { MatmulCodesTileKernel } from "./codes_tile.ts";
import type { Matmul, MatmulOptions } from "./product.ts";
import type { TileRowCount } from "./row_counts.ts";
import { MatmulKernel } from "./rows.ts";
import { MatmulTileKernel } from "./tile.ts";

/**
 * The product in f32.
 *
 * @param tileRowCount Most rows of a tile; null for the kernel of few rows.
 * @throws {RangeError} If the heads do not make up the rows of the weight.
 */
export function createMatmul(
  gpu: Gpu,
  options: MatmulOptions,
  tileRowCount: TileRowCount | null,
): Promise<Matmul> {
  return tileRowCount === null
    ? MatmulKernel.create(gpu, options)
    : MatmulTileKernel.create(gpu, { ...options, tileRowCount });
}

/** The product of codes of `x`, of weights of which `hasCodes` holds; likewise. */
export function createMatmulOfCodes(
  gpu: Gpu,
  options: MatmulCodesOptions,
  tileRowCount: TileRowCount | null,
): Promise<Matmul> {
  return tileRowCount === null
    ? MatmulCodesKernel.create(gpu, options)
    : MatmulCodesTileKernel.create(gpu, { ...options, tileRowCount });
}
