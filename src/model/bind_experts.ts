/**
 * The kernels of a feed-forward part that is experts, in the order of the step.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import type { DeviceExpertWeights } from "../kernels/expert_layout.ts";
import type { ExpertOutput } from "../kernels/expert_matmul/product.ts";
import type { LayerContext, RecordRows } from "./layer_context.ts";

/** Router, choice, products with the chosen experts, and their sum. */
export async function bindExperts(context: LayerContext, index: number): Promise<RecordRows[]> {
  const { plan, weights, matmuls, expertKernels: kernels, group } = context;
  const { experts, outputScale } = plan.layers[index].feedForward;
  const { feedForwardNorm, experts: own } = weights.layers[index];
  const buffers = group.experts;
  invariant(experts !== null && own !== null && buffers !== null, "the layer has experts");
  const { router, routerBiases, down, downBiases } = own;
  const { count: expertCount, usedCount, shareScale, shares: kind, groups } = experts;
  const { logits, choices, shares, bundles, hidden, given, room } = buffers;
  const { x } = group;
  const norm = feedForwardNorm === null ? {} : { normWeight: feedForwardNorm };

  // A code more or less of a row would send it to other experts.
  const use = { hasNorm: feedForwardNorm !== null, isSlice: group.isSlice, isExact: true };
  const score = await matmuls.get(router, { kind: "store" }, use);
  const options = { expertCount, usedCount, shareScale, shares: kind, groups, room };
  const route = await kernels.route(options);
  const close = await kernels.matmul({
    weights: down,
    usedCount,
    input: "visit",
    output: "store",
    hasBiases: downBiases !== null,
    room,
  });
  const sum = await kernels.sum({ width: plan.shape.width, usedCount, factor: outputScale });

  const scored = score.bind({ weights: router, x, ...norm, y: logits });
  const routed = route.bind({ logits, biases: routerBiases, choices, shares, bundles });
  const closed = close.bind({
    weights: down,
    x: hidden,
    y: given,
    bundles,
    ...(downBiases === null ? {} : { biases: downBiases }),
  });
  const summed = sum.bind({ given, shares, x });
  return [
    (pass, rowCount) => score.encode(pass, scored, rowCount),
    (pass, rowCount) => route.encode(pass, routed, rowCount),
    ...await bindGateUp(context, index),
    (pass, rowCount) => close.encode(pass, closed, rowCount),
    (pass, rowCount) => sum.encode(pass, summed, rowCount),
  ];
}

/** Gate and up of the chosen experts, to the group's `hidden`. */
async function bindGateUp(context: LayerContext, index: number): Promise<RecordRows[]> {
  const { plan, weights, expertKernels: kernels, group: { x, experts: buffers } } = context;
  const { experts, activation } = plan.layers[index].feedForward;
  const { feedForwardNorm, experts: own } = weights.layers[index];
  invariant(experts !== null && own !== null && buffers !== null, "the layer has experts");
  const { gateUp, gateUpBiases } = own;
  const { usedCount } = experts;
  const { bundles, hidden, room } = buffers;
  const norm = feedForwardNorm === null ? {} : { normWeight: feedForwardNorm };
  const normEpsilon = feedForwardNorm === null ? {} : { normEpsilon: plan.normEpsilon };
  /** Products of gate, up or both, with the rows that each visit is of. */
  const open = async (
    weights: DeviceExpertWeights,
    { output, biases, y, up }: {
      output: ExpertOutput;
      biases: GPUBuffer | null;
      y: GPUBuffer;
      up?: GPUBuffer;
    },
  ): Promise<RecordRows> => {
    const hasBiases = biases !== null;
    const options = { weights, usedCount, input: "row", output, hasBiases, room } as const;
    const kernel = await kernels.matmul({ ...options, ...normEpsilon });
    const bound = kernel.bind({
      weights,
      x,
      ...norm,
      y,
      bundles,
      ...(hasBiases ? { biases } : {}),
      ...(up === undefined ? {} : { up }),
    });
    return (pass, rowCount) => kernel.encode(pass, bound, rowCount);
  };
  const opened: RecordRows[] = [];
  if ("pairs" in gateUp) {
    const biases = gateUpBiases && ("pairs" in gateUpBiases ? gateUpBiases.pairs : null);
    opened.push(await open(gateUp.pairs, { output: activation, biases, y: hidden }));
  } else {
    const biases = gateUpBiases && ("pairs" in gateUpBiases ? null : gateUpBiases);
    const { up } = buffers;
    opened.push(
      await open(gateUp.up, { output: "store", biases: biases && biases.up, y: up }),
      await open(gateUp.gate, {
        output: { gated: activation },
        biases: biases && biases.gate,
        y: hidden,
        up,
      }),
    );
  }
  return opened;
}
