/**
 * A matrix product of a layer, bound to the rows of a group.
 *
 * @module
 */

import type { MatmulBuffers, MatmulOutput } from "../kernels/matmul/product.ts";
import type { LayerContext, RecordRows } from "./layer_context.ts";

/** Compiles what is new, and binds a product; `output`: a kind that has no sizes, or all of it. */
export async function bindProduct(
  { matmuls, group: { isSlice } }: Pick<LayerContext, "matmuls" | "group">,
  output: MatmulOutput | Exclude<MatmulOutput["kind"], "heads" | "capped" | "gated">,
  buffers: MatmulBuffers,
): Promise<RecordRows> {
  const options = typeof output === "string" ? { kind: output } : output;
  const hasNorm = buffers.normWeight !== undefined;
  const kernel = await matmuls.get(buffers.weights, options, { hasNorm, isSlice });
  const bound = kernel.bind(buffers);
  return (pass, rowCount) => kernel.encode(pass, bound, rowCount);
}

/** What a product binds for a norm of its input; nothing if there is none. */
export function normOf(normWeight: GPUBuffer | null): Pick<MatmulBuffers, "normWeight"> {
  return normWeight === null ? {} : { normWeight };
}
