/**
 * From token ids to the residual stream, and to the inputs that layers have of their own.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { EmbedKernel } from "../kernels/embed/row.ts";
import { NormAddKernel } from "../kernels/norm_add/row.ts";
import type { RecordRows } from "./layer_context.ts";
import type { MatmulSet } from "./matmul_set.ts";
import type { ModelPlan } from "./plan.ts";
import type { RowGroup } from "./row_group.ts";
import type { ModelWeights } from "./weights.ts";

/** What a group of rows begins with. */
export interface Embedding {
  /** Binds a group; `ids`: u32 token ids. */
  bind(group: RowGroup, ids: GPUBuffer): Promise<RecordRows>;
}

/** Compiles what a plan asks for. */
export async function createEmbedding(
  gpu: Gpu,
  options: { plan: ModelPlan; weights: ModelWeights; matmuls: MatmulSet },
): Promise<Embedding> {
  const { plan, weights } = options;
  const { scale } = plan.embedding;
  const embed = await EmbedKernel.create(gpu, weights.embedding, { scale });
  const inputs = await createInputs(gpu, options);
  return {
    async bind(group, ids) {
      const bound = embed.bind({ ids, rows: group.rows, x: group.x });
      const encodeInputs = await inputs?.bind(group, ids);
      return (pass, rowCount) => {
        embed.encode(pass, bound, rowCount);
        encodeInputs?.(pass, rowCount);
      };
    },
  };
}

/**
 * Inputs of all layers. The norm of what is projected takes in its factor of `1 / sqrt(width)`,
 * which only makes its epsilon larger.
 */
async function createInputs(
  gpu: Gpu,
  { plan, weights, matmuls }: { plan: ModelPlan; weights: ModelWeights; matmuls: MatmulSet },
): Promise<Embedding | null> {
  if (plan.layerInputs === null) return null;
  invariant(weights.layerInputs !== null, "what the plan names is loaded");
  const { shape: { width, layerCount }, normEpsilon } = plan;
  const { inputWidth } = plan.layerInputs;
  const { table, projection, norm } = weights.layerInputs;
  const embed = await EmbedKernel.create(gpu, table, { scale: Math.sqrt(inputWidth / 2) });
  const add = await NormAddKernel.create(gpu, {
    width: inputWidth,
    epsilon: normEpsilon * width,
  });
  return {
    async bind({ rows, x, layerInputs, isSlice }, ids) {
      invariant(layerInputs !== null, "the group has room for what the plan names");
      const { all, projected } = layerInputs;
      const use = { hasNorm: false, isSlice };
      const project = await matmuls.get(projection, { kind: "store" }, use);
      const embedded = embed.bind({ ids, rows, x: all });
      const product = project.bind({ weights: projection, x, y: projected });
      const sum = add.bind({ given: projected, weight: norm, x: all });
      return (pass, rowCount) => {
        embed.encode(pass, embedded, rowCount);
        project.encode(pass, product, rowCount);
        add.encode(pass, sum, rowCount * layerCount);
      };
    },
  };
}
