/**
 * The kernels of a feed-forward part that is experts, in the order of the step.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import type { LayerContext, RecordRows } from "./layer_context.ts";

/** Router, choice, products with the chosen experts, and their sum. */
export async function bindExperts(context: LayerContext, index: number): Promise<RecordRows[]> {
  const { plan, weights, matmuls, expertKernels: kernels, group } = context;
  const { experts, activation, outputScale } = plan.layers[index].feedForward;
  const { feedForwardNorm, experts: own } = weights.layers[index];
  const buffers = group.experts;
  invariant(experts !== null && own !== null && buffers !== null, "the layer has experts");
  const { router, routerBiases, gateUp, gateUpBiases, down, downBiases } = own;
  const { count: expertCount, usedCount, shareScale } = experts;
  const { logits, choices, shares, bundles, hidden, given } = buffers;
  const { x } = group;
  const norm = feedForwardNorm === null ? {} : { normWeight: feedForwardNorm };
  const normEpsilon = feedForwardNorm === null ? {} : { normEpsilon: plan.normEpsilon };

  const use = { hasNorm: feedForwardNorm !== null, isSlice: group.isSlice };
  const score = await matmuls.get(router, { kind: "store" }, use);
  const route = await kernels.route({ expertCount, usedCount, shareScale });
  const open = await kernels.matmul({
    weights: gateUp,
    usedCount,
    input: "row",
    output: activation,
    hasBiases: gateUpBiases !== null,
    ...normEpsilon,
  });
  const close = await kernels.matmul({
    weights: down,
    usedCount,
    input: "visit",
    output: "store",
    hasBiases: downBiases !== null,
  });
  const sum = await kernels.sum({ width: plan.shape.width, usedCount, factor: outputScale });

  const scored = score.bind({ weights: router, x, ...norm, y: logits });
  const routed = route.bind({ logits, biases: routerBiases, choices, shares, bundles });
  const opened = open.bind({
    weights: gateUp,
    x,
    ...norm,
    y: hidden,
    bundles,
    ...(gateUpBiases === null ? {} : { biases: gateUpBiases }),
  });
  const closed = close.bind({
    weights: down,
    x: hidden,
    y: given,
    bundles,
    ...(downBiases === null ? {} : { biases: downBiases }),
  });
  const summed = sum.bind({ given, shares, x });
  return [
    (pass, rowCount) => score.record(pass, scored, rowCount),
    (pass, rowCount) => route.record(pass, routed, rowCount),
    (pass, rowCount) => open.record(pass, opened, rowCount),
    (pass, rowCount) => close.record(pass, closed, rowCount),
    (pass, rowCount) => sum.record(pass, summed, rowCount),
  ];
}
