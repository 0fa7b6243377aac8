/**
 * The weights of a plan whose layers share, out of those of the plan in which they do not: for
 * trying which may, without loading again.
 *
 * @module
 */

import type { GgufFile } from "../gguf/gguf_file.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { DeviceWeights } from "../kernels/weight_layout.ts";
import { hasPlainHeads, headFinish } from "./head_rows.ts";
import type { ModelPlan } from "./plan.ts";
import { tensorValues } from "./tensor_source.ts";
import type { LayerWeights, ModelWeights } from "./weights.ts";

/** Weights that borrow those of the model. */
export interface BorrowedWeights {
  weights: ModelWeights;
  /** Frees what they have beside them. */
  destroy(): void;
}

/**
 * Takes the rows of queries of each layer that projects nothing else.
 *
 * @param weights Of the plan in which no layer but those of the file shares.
 */
export function borrowWeights(
  gpu: Gpu,
  { file, plan, weights }: { file: GgufFile; plan: ModelPlan; weights: ModelWeights },
): BorrowedWeights {
  const made: GPUBuffer[] = [];
  const upload = (label: string, values: Float32Array) => {
    const buffer = gpu.createBufferWith(label, values);
    made.push(buffer);
    return buffer;
  };
  const layers = weights.layers.map((own, index): LayerWeights => {
    const { attention } = plan.layers[index];
    const rowCount = attention.heads.reduce((sum, heads) => sum + heads.rowCount, 0);
    if (own.heads === null || rowCount === own.heads.rowCount) return own;
    if (hasPlainHeads(attention)) throw new TypeError("a layer that shares has no plain heads");
    const { shifts, gains } = headFinish(attention, (name) => tensorValues(file, name));
    return {
      ...own,
      heads: firstRows(own.heads, rowCount),
      headFinish: { shifts: upload("head shifts", shifts), gains: upload("head gains", gains) },
    };
  });
  return {
    weights: { ...weights, layers },
    destroy: () => made.forEach((buffer) => gpu.destroyBuffer(buffer)),
  };
}

/** Heads are whole groups of rows, so that no group is cut. */
function firstRows(weights: DeviceWeights, rowCount: number): DeviceWeights {
  const parts = weights.parts.filter(({ rowStart }) => rowStart < rowCount).map((part) => ({
    ...part,
    rowCount: Math.min(part.rowCount, rowCount - part.rowStart),
  }));
  return { ...weights, rowCount, parts };
}
