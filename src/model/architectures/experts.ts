/**
 * Experts in the place of a gated product, as most architectures have them.
 *
 * @module
 */

import type { FeedForwardPlan } from "../plan.ts";
import { invalid, type ModelReader, unsupported } from "./model_reader.ts";
import type { ModelSizes } from "./sizes.ts";
import { layerTensor } from "./tensor_names.ts";

/** Numbers of ways to weigh experts that give the shares of this project. */
const SOFTMAX_FUNCTIONS = [0, 1, 3];

/** What experts change of a feed-forward part. */
export type ExpertChanges = Pick<FeedForwardPlan, "experts" | "gateUp" | "down">;

/**
 * Experts of layer `index`.
 *
 * @param options `width`: rows of gate and up of one expert. `hasBiases`: of the router and of all
 * products of experts.
 * @throws {EngineError} If the counts contradict one another, or experts are weighed otherwise.
 */
export function readExperts(
  reader: ModelReader,
  sizes: ModelSizes,
  { index, width, hasBiases = false }: { index: number; width: number; hasBiases?: boolean },
): ExpertChanges {
  const count = reader.count("expert_count");
  const usedCount = reader.count("expert_used_count");
  if (usedCount > count) throw invalid(`it uses ${usedCount} of ${count} experts`);
  const gating = reader.number("expert_gating_func", 0);
  if (!SOFTMAX_FUNCTIONS.includes(gating)) {
    throw unsupported(`it weighs experts by function ${gating}; supported: softmax`);
  }
  const matrix = (part: string, columnCount: number, rowCount: number) =>
    reader.expertMatrix(layerTensor(index, part), { columnCount, rowCount, expertCount: count });
  const bias = (part: string, rowCount: number) =>
    reader.expertVector(layerTensor(index, part, "bias"), { rowCount, expertCount: count });
  const routerName = layerTensor(index, "ffn_gate_inp");
  return {
    gateUp: [
      matrix("ffn_gate_exps", sizes.width, width),
      matrix("ffn_up_exps", sizes.width, width),
    ],
    down: matrix("ffn_down_exps", width, sizes.width),
    experts: {
      count,
      usedCount,
      router: reader.matrix(routerName, sizes.width, count),
      routerBias: hasBiases
        ? reader.vector(layerTensor(index, "ffn_gate_inp", "bias"), count)
        : null,
      biases: hasBiases
        ? {
          gate: bias("ffn_gate_exps", width),
          up: bias("ffn_up_exps", width),
          down: bias("ffn_down_exps", sizes.width),
        }
        : null,
      // llama.cpp reads 0 as "none given".
      shareScale: reader.number("expert_weights_scale", 0) || 1,
    },
  };
}

/** {@link readExperts} of architectures that have them or not, with the width of all parts. */
export function readExpertsIfAny(
  reader: ModelReader,
  sizes: ModelSizes,
  index: number,
): Partial<ExpertChanges> {
  if (reader.number("expert_count", 0) === 0) return {};
  return readExperts(reader, sizes, { index, width: sizes.feedForwardWidth });
}
