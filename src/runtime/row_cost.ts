/**
 * What rows of a decoding step cost on an adapter without a GPU.
 *
 * @module
 */

import type { AdapterFacts } from "../gpu/gpu.ts";
import { rowTiles, SHARED_ROW_COUNTS } from "../kernels/matmul/row_counts.ts";
import type { RowCost } from "../scheduler/decode_planner.ts";

/** What a tile takes, by the rows of its pipeline: eight took 1.63 of the time of four. */
const TILE_COST: readonly number[] = SHARED_ROW_COUNTS.map((count) => count > 4 ? 2.6 : 1.6);

/**
 * Processors are busy with the products of each tile of rows. Measured with the default model on
 * software Vulkan in two runs (bench/README.md): 2 rows take 1.22 and 1.30 of one, 4 take 1.75 and
 * 1.87, 8 take 3.05 in the second. The costs follow the first.
 */
const ON_PROCESSORS: RowCost = (rowCount) => {
  if (rowCount <= 2) return 1 + 0.2 * (rowCount - 1);
  const { size, tileCount } = rowTiles(rowCount, SHARED_ROW_COUNTS);
  return 0.15 + TILE_COST[size] * tileCount;
};

/** The cost if it is not a GPU's. */
export function rowCostOf(
  { isFallback }: Pick<AdapterFacts, "isFallback">,
): { rowCost?: RowCost } {
  return isFallback ? { rowCost: ON_PROCESSORS } : {};
}
