/**
 * The kernels that a layer's plan asks for, in the order of the step.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import { bindExperts } from "./bind_experts.ts";
import { bindLatent } from "./bind_latent.ts";
import { bindProduct, normOf } from "./bind_product.ts";
import type { MatmulBuffers } from "../kernels/matmul/product.ts";
import type { Activation } from "../kernels/matmul/parts.ts";
import type { DeviceWeights } from "../kernels/weight_layout.ts";
import { hasPlainHeads } from "./head_rows.ts";
import type { LayerContext, RecordRows } from "./layer_context.ts";
import type { GateUp, LayerInputWeights } from "./weights.ts";

/** The kernels of a layer around its attention. */
export interface BoundLayer {
  beforeAttention: readonly RecordRows[];
  afterAttention: readonly RecordRows[];
}

/** Compiles what is new, and binds layer `index`. */
export async function bindLayer(context: LayerContext, index: number): Promise<BoundLayer> {
  const { plan, weights, group } = context;
  const { attended } = group;
  const layer = weights.layers[index];
  const { attention, feedForward } = plan.layers[index];
  const latent = await bindLatent(context, index);
  return {
    beforeAttention: latent !== null
      ? latent.before
      : hasPlainHeads(attention)
      ? [await bindPlainHeads(context, index)]
      : await bindOtherHeads(context, index),
    afterAttention: [
      ...latent === null ? [] : latent.after,
      ...await bindAddition(context, {
        weights: layer.attentionOutput,
        x: latent === null ? attended : latent.values,
        bias: layer.attentionOutputBias,
        normAfter: layer.attentionNormAfter,
        factor: attention.outputScale,
      }),
      ...feedForward.experts === null
        ? await bindGated(context, index)
        : await bindMixture(context, index),
      ...layer.input === null ? [] : await bindInput(context, layer.input, index),
    ],
  };
}

/** A gated product. */
async function bindGated(context: LayerContext, index: number): Promise<RecordRows[]> {
  const { plan, weights, group } = context;
  const { hidden } = group;
  const { gated, feedForwardNorm, feedForwardNormAfter, input, factor } = weights.layers[index];
  const { activation, outputScale } = plan.layers[index].feedForward;
  invariant(gated !== null, "the layer has no experts");
  const { gateUp, down } = gated;
  return [
    ...await bindGateUp(context, gateUp, { activation, normWeight: feedForwardNorm }),
    ...await bindAddition(context, {
      weights: down,
      x: hidden,
      bias: null,
      normAfter: feedForwardNormAfter,
      factor: outputScale,
      sumFactor: input === null ? factor : null,
    }),
  ];
}

/** Experts, and a gated product beside them if there is one: both see the same input. */
async function bindMixture(context: LayerContext, index: number): Promise<RecordRows[]> {
  const { plan, weights, group } = context;
  const { shared, feedForwardNorm: normWeight } = weights.layers[index];
  const { activation, outputScale } = plan.layers[index].feedForward;
  const experts = await bindExperts(context, index);
  if (shared === null) return experts;
  const { gateUp, down } = shared;
  return [
    ...await bindGateUp(context, gateUp, { activation, normWeight }),
    ...experts,
    await bindProduct(context, { kind: "add", factor: outputScale }, {
      weights: down,
      x: group.hidden,
      y: group.x,
    }),
  ];
}

/** Gate and up, to the group's `hidden`. */
async function bindGateUp(
  context: LayerContext,
  gateUp: GateUp<DeviceWeights>,
  { activation, normWeight }: { activation: Activation; normWeight: GPUBuffer | null },
): Promise<RecordRows[]> {
  const { group } = context;
  const input = { x: group.x, ...normOf(normWeight) };
  if ("pairs" in gateUp) {
    const buffers = { weights: gateUp.pairs, ...input, y: group.hidden };
    return [await bindProduct(context, activation, buffers)];
  }
  const { gate, up } = gateUp;
  const kind = { kind: "gated", activation, upColumnCount: up.rowCount } as const;
  return [
    await bindProduct(context, "store", { weights: up, ...input, y: group.up }),
    await bindProduct(context, kind, { weights: gate, ...input, up: group.up, y: group.hidden }),
  ];
}

/** What a layer does with its own input. */
async function bindInput(
  context: LayerContext,
  { gate, output, normAfter }: LayerInputWeights,
  index: number,
): Promise<RecordRows[]> {
  const { plan, weights, group: { x, layerInputs } } = context;
  invariant(plan.layerInputs !== null && layerInputs !== null, "the plan has inputs of layers");
  const { inputWidth } = plan.layerInputs;
  const inputsWidth = plan.shape.layerCount * inputWidth;
  const { all, gated } = layerInputs;
  const offset = index * inputWidth * WORD_SIZE_BYTES;
  const kind = { kind: "gated", activation: "gelu", upColumnCount: inputsWidth } as const;
  const up = { buffer: all, offset, size: all.size - offset };
  return [
    await bindProduct(context, kind, { weights: gate, x, up, y: gated }),
    ...await bindAddition(context, {
      weights: output,
      x: gated,
      bias: null,
      normAfter,
      factor: 1,
      sumFactor: weights.layers[index].factor,
    }),
  ];
}

/** What a part of a layer gives, added to the residual stream: normed first, or not. */
async function bindAddition(
  context: LayerContext,
  given: Pick<MatmulBuffers, "weights" | "x"> & {
    /** Not of what is normed. */
    bias: GPUBuffer | null;
    normAfter: GPUBuffer | null;
    factor: number;
    /** f32 `[1]`, of the residual stream after it: only with what is normed. */
    sumFactor?: GPUBuffer | null;
  },
): Promise<RecordRows[]> {
  const { normAdds, group } = context;
  const { bias, normAfter, factor, sumFactor = null, ...product } = given;
  invariant(sumFactor === null || normAfter !== null, "the plan was checked");
  if (bias !== null) {
    const buffers = { ...product, bias, y: group.x };
    return [await bindProduct(context, { kind: "addBiased", factor }, buffers)];
  }
  if (normAfter === null) {
    return [await bindProduct(context, { kind: "add", factor }, { ...product, y: group.x })];
  }
  const normAdd = await normAdds.get(sumFactor !== null);
  const bound = normAdd.bind({
    given: group.given,
    weight: normAfter,
    x: group.x,
    ...(sumFactor === null ? {} : { factors: sumFactor }),
  });
  return [
    await bindProduct(context, "store", { ...product, y: group.given }),
    (pass, rowCount) => normAdd.encode(pass, bound, rowCount),
  ];
}

/** One kernel: products, RoPE and the window's append. */
function bindPlainHeads(
  { plan, weights, cache, matmuls, group }: LayerContext,
  index: number,
): Promise<RecordRows> {
  const { headShape } = plan.layers[index].attention;
  const { heads, attentionNorm } = weights.layers[index];
  invariant(heads !== null, "the layer keeps keys and values");
  const tileCount = cache.tileCountOf(index);
  const output = { kind: "heads", ...headShape, tileCount } as const;
  return bindProduct({ matmuls, group }, output, {
    weights: heads,
    x: group.x,
    ...normOf(attentionNorm),
    y: group.q,
    rope: group.turnsOf(index),
    rows: group.rows,
    window: cache.windowOf(index),
  });
}

/** Two kernels: products, then all else. */
async function bindOtherHeads(context: LayerContext, index: number): Promise<RecordRows[]> {
  const { plan, weights, cache, finishers, group } = context;
  const { heads, attentionNorm, headFinish } = weights.layers[index];
  invariant(heads !== null, "the layer keeps keys and values");
  const tileCount = cache.tileCountOf(index);
  const kernel = await finishers.get(plan.layers[index].attention, tileCount);
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
      ...normOf(attentionNorm),
      y: group.projected,
    }),
    (pass, rowCount) => kernel.encode(pass, bound, rowCount),
  ];
}
