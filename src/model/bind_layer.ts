/**
 * The kernels that a layer's plan asks for, in the order of the step.
 *
 * @module
 */

import type { FinishHeadsSet } from "./finish_heads_set.ts";
import type { MatmulBuffers, MatmulOutput } from "../kernels/matmul/rows.ts";
import type { KvCache } from "../kvcache/kv_cache.ts";
import { hasPlainHeads } from "./head_rows.ts";
import type { MatmulSet } from "./matmul_set.ts";
import type { ModelPlan } from "./plan.ts";
import type { RowGroup } from "./row_group.ts";
import type { ModelWeights } from "./weights.ts";

/** What layers are bound to. */
export interface LayerContext {
  plan: ModelPlan;
  weights: ModelWeights;
  cache: KvCache;
  matmuls: MatmulSet;
  finishers: FinishHeadsSet;
  group: RowGroup;
}

/** Records one kernel over the first rows of the group. */
export type RecordRows = (pass: GPUComputePassEncoder, rowCount: number) => void;

/** The kernels of a layer around its attention. */
export interface BoundLayer {
  beforeAttention: readonly RecordRows[];
  afterAttention: readonly RecordRows[];
}

/** Compiles what is new, and binds layer `index`. */
export async function bindLayer(context: LayerContext, index: number): Promise<BoundLayer> {
  const { plan, weights, group } = context;
  const { x, attended, hidden } = group;
  const { attentionOutput, gateUp, feedForwardNorm: normWeight, down } = weights.layers[index];
  const { attention, feedForward } = plan.layers[index];
  const add = (factor: number) => ({ kind: "add", factor } as const);
  const isPlain = hasPlainHeads(attention, plan.shape);
  return {
    beforeAttention: isPlain
      ? [await bindPlainHeads(context, index)]
      : await bindOtherHeads(context, index),
    afterAttention: [
      await bindProduct(context, add(attention.outputScale), {
        weights: attentionOutput,
        x: attended,
        y: x,
      }),
      await bindProduct(context, "silu", { weights: gateUp, x, normWeight, y: hidden }),
      await bindProduct(context, add(feedForward.outputScale), {
        weights: down,
        x: hidden,
        y: x,
      }),
    ],
  };
}

/** One kernel: products, RoPE and the window's append. */
function bindPlainHeads(
  { plan, weights, cache, matmuls, group }: LayerContext,
  index: number,
): Promise<RecordRows> {
  const { queryHeadCount, kvHeadCount, headSize } = plan.shape;
  const { heads, attentionNorm } = weights.layers[index];
  const output = { kind: "heads", queryHeadCount, kvHeadCount, headSize } as const;
  return bindProduct({ matmuls }, output, {
    weights: heads,
    x: group.x,
    normWeight: attentionNorm,
    y: group.q,
    rope: group.turnsOf(index),
    rows: group.rows,
    window: cache.windowOf(index),
  });
}

/** Two kernels: products, then all else. */
async function bindOtherHeads(context: LayerContext, index: number): Promise<RecordRows[]> {
  const { plan, weights, cache, finishers, group } = context;
  const { heads, attentionNorm: normWeight, headFinish } = weights.layers[index];
  const { queryNorm } = plan.layers[index].attention;
  const kernel = await finishers.get(queryNorm?.over ?? null);
  const bound = kernel.bind({
    heads: group.projected,
    ...headFinish!,
    y: group.q,
    rope: group.turnsOf(index),
    rows: group.rows,
    window: cache.windowOf(index),
  });
  return [
    await bindProduct(context, "store", {
      weights: heads,
      x: group.x,
      normWeight,
      y: group.projected,
    }),
    (pass, rowCount) => kernel.record(pass, bound, rowCount),
  ];
}

async function bindProduct(
  { matmuls }: Pick<LayerContext, "matmuls">,
  output: MatmulOutput | Exclude<MatmulOutput["kind"], "heads">,
  buffers: MatmulBuffers,
): Promise<RecordRows> {
  const options = typeof output === "string" ? { kind: output } : output;
  const hasNorm = buffers.normWeight !== undefined;
  const kernel = await matmuls.get(buffers.weights, options, { hasNorm });
  const bound = kernel.bind(buffers);
  return (pass, rowCount) => kernel.record(pass, bound, rowCount);
}
