/**
 * What rows of a decoding step cost on an adapter without a GPU.
 *
 * @module
 */

import { divCeil } from "../core/shapes.ts";
import type { AdapterFacts } from "../gpu/gpu.ts";
import { ROW_COUNT_MAX } from "../kernels/matmul/row_counts.ts";
import type { RowCost } from "../scheduler/decode_planner.ts";

/**
 * Processors are busy with the products of each tile of rows. Measured with the default model on
 * software Vulkan (bench/README.md): 1 row takes 1, 2 take 1.2, 4 take 1.75, 8 take 3.3.
 */
const ON_PROCESSORS: RowCost = (rowCount) =>
  rowCount <= 2 ? 1 + 0.2 * (rowCount - 1) : 0.15 + 1.6 * divCeil(rowCount, ROW_COUNT_MAX);

/** The cost if it is not a GPU's. */
export function rowCostOf(
  { isFallback }: Pick<AdapterFacts, "isFallback">,
): { rowCost?: RowCost } {
  return isFallback ? { rowCost: ON_PROCESSORS } : {};
}
