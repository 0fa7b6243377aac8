/**
 * The kernels of a layer that keeps latents, around its attention.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import type { FinishLatentKernel } from "../kernels/finish_latent/row.ts";
import type { DeviceExpertWeights } from "../kernels/expert_layout.ts";
import { bindProduct, normOf } from "./bind_product.ts";
import type { LayerContext, RecordRows } from "./layer_context.ts";

/** What runs before attention, and after it before the output. */
export interface BoundLatent {
  before: readonly RecordRows[];
  after: readonly RecordRows[];
  /** f32 `[rows, queryHeadCount * valueSize]`: what the output is given. */
  values: GPUBuffer;
}

/** Compiles what is new, and binds layer `index`; null if it keeps keys and values. */
export async function bindLatent(
  context: LayerContext,
  index: number,
): Promise<BoundLatent | null> {
  const { weights, group } = context;
  const { latent: own, attentionNorm } = weights.layers[index];
  if (own === null) return null;
  const buffers = group.latent;
  invariant(buffers !== null, "the plan has latents");
  const { queryLatent, content, turned, absorbed, latent, values } = buffers;
  const input = { x: group.x, ...normOf(attentionNorm) };
  const store = (weights: typeof own.contentQueries, from: typeof input, y: GPUBuffer) =>
    bindProduct(context, "store", { weights, ...from, y });
  const queries = own.queryDown === null ? input : { x: queryLatent, ...normOf(own.queryNorm) };
  return {
    before: [
      ...own.queryDown === null ? [] : [await store(own.queryDown, input, queryLatent)],
      await store(own.contentQueries, queries, content),
      await store(own.turnedQueries, queries, turned),
      ...own.down === null ? [] : [await store(own.down, input, latent)],
      await bindHeads(context, { weights: own.keyUp, x: content, y: absorbed }),
      await bindFinish(context, index),
    ],
    after: [await bindHeads(context, { weights: own.valueUp, x: group.attended, y: values })],
    values,
  };
}

/** The product of each head of a row with weights of its own. */
async function bindHeads(
  { expertKernels, group: { latent } }: LayerContext,
  { weights, x, y }: { weights: DeviceExpertWeights; x: GPUBuffer; y: GPUBuffer },
): Promise<RecordRows> {
  invariant(latent !== null, "the plan has latents");
  const kernel = await expertKernels.matmul({
    weights,
    usedCount: weights.expertCount,
    input: "visit",
    output: "store",
    hasBiases: false,
    room: latent.room,
    isExact: true,
  });
  const bound = kernel.bind({ weights, x, y, bundles: latent.bundles });
  return (pass, rowCount) => kernel.encode(pass, bound, rowCount);
}

/** Queries, and the latent if the layer makes one. */
async function bindFinish(context: LayerContext, index: number): Promise<RecordRows> {
  const { plan, weights, cache, group, latentFinishers } = context;
  const { keyValueLayer } = plan.layers[index].attention;
  const kernel: FinishLatentKernel = await latentFinishers.get(plan, {
    layer: index,
    tileCount: cache.tileCountOf(index),
  });
  const { norm: gains } = weights.layers[keyValueLayer].latent!;
  invariant(group.latent !== null && gains !== null, "the layer it reads makes latents");
  const { absorbed, turned: turnedParts, latent: latents } = group.latent;
  const bound = kernel.bind({
    absorbed,
    turnedParts,
    latents,
    gains,
    y: group.q,
    rope: group.turnsOf(index),
    rows: group.rows,
    window: cache.windowOf(index),
  });
  return (pass, rowCount) => kernel.encode(pass, bound, rowCount);
}
