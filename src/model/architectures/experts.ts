/**
 * Experts in the place of a gated product, as most architectures have them.
 *
 * @module
 */

import {
  EXPERT_GROUP_MAX,
  type ExpertGroups,
  type ShareKind,
} from "../../kernels/expert_route/rows.ts";
import type { FeedForwardPlan } from "../plan.ts";
import { invalid, type ModelReader, unsupported } from "./model_reader.ts";
import type { ModelSizes } from "./sizes.ts";
import { layerTensor } from "./tensor_names.ts";

/** Numbers of ways to weigh experts: by a softmax, or by the logistic function of each. */
const SOFTMAX_FUNCTIONS = [0, 1, 3];
const SIGMOID_FUNCTION = 2;

/** What experts change of a feed-forward part. */
export type ExpertChanges = Pick<FeedForwardPlan, "experts" | "gateUp" | "down">;

/**
 * Experts of layer `index`.
 *
 * @param options `width`: rows of gate and up of one expert. `hasBiases`: of the router and of all
 * products of experts. `isDeepseek`: files say whether shares are divided by their sum, and may
 * have what is added to choose by, and groups.
 * @throws {EngineError} If the counts contradict one another, or experts are weighed otherwise.
 */
export function readExperts(
  reader: ModelReader,
  sizes: ModelSizes,
  { index, width, hasBiases = false, isDeepseek = false }: {
    index: number;
    width: number;
    hasBiases?: boolean;
    isDeepseek?: boolean;
  },
): ExpertChanges {
  const count = reader.count("expert_count");
  const usedCount = reader.count("expert_used_count");
  if (usedCount > count) throw invalid(`it uses ${usedCount} of ${count} experts`);
  const shares = readShares(reader, isDeepseek);
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
      routerBias: isDeepseek
        ? readChoiceBias(reader, { index, count, shares })
        : hasBiases
        ? reader.vector(layerTensor(index, "ffn_gate_inp", "bias"), count)
        : null,
      groups: isDeepseek ? readGroups(reader, { count, usedCount, shares }) : null,
      shares,
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

function readShares(reader: ModelReader, isDeepseek: boolean): ShareKind {
  const gating = reader.number("expert_gating_func", 0);
  const isBySum = !isDeepseek || reader.flag("expert_weights_norm", false);
  if (SOFTMAX_FUNCTIONS.includes(gating)) return isBySum ? "softmax of used" : "softmax of all";
  if (isDeepseek && gating === SIGMOID_FUNCTION) return isBySum ? "sigmoid by sum" : "sigmoid";
  const supported = isDeepseek ? "softmax, sigmoid" : "softmax";
  throw unsupported(`it weighs experts by function ${gating}; supported: ${supported}`);
}

/**
 * Groups of experts, if there are some: as DeepSeek V3 has them, the only ones that llama.cpp
 * knows. DeepSeek V2 ranks groups otherwise, by the highest of their softmax.
 */
function readGroups(
  reader: ModelReader,
  { count, usedCount, shares }: { count: number; usedCount: number; shares: ShareKind },
): ExpertGroups | null {
  const groupCount = reader.number("expert_group_count", 0);
  if (groupCount <= 1) return null;
  const groups = { count: groupCount, usedCount: reader.count("expert_group_used_count") };
  const said = `it chooses experts of ${groups.usedCount} of ${groupCount} groups`;
  if (shares.startsWith("softmax")) {
    throw unsupported(`${said} by a softmax, as DeepSeek V2; supported: by sigmoid`);
  }
  const size = count / groupCount;
  if (!Number.isInteger(size) || size < 2) throw invalid(`${said}, and has ${count} experts`);
  if (groups.usedCount >= groupCount) throw invalid(said);
  if (usedCount > size * groups.usedCount) {
    throw invalid(`${said} of ${size}, and uses ${usedCount} experts`);
  }
  if (groupCount <= EXPERT_GROUP_MAX) return groups;
  throw unsupported(`${said}; supported: ${EXPERT_GROUP_MAX} groups`);
}

/** What is added to logistic functions of scores to choose by, if there is something. */
function readChoiceBias(
  reader: ModelReader,
  { index, count, shares }: { index: number; count: number; shares: ShareKind },
): string | null {
  if (shares.startsWith("softmax")) return null;
  return reader.vectorIfAny(layerTensor(index, "exp_probs_b", "bias"), count);
}

/** A gated product that all tokens go through, `width` rows of gate and up. */
export function readSharedExperts(
  reader: ModelReader,
  sizes: ModelSizes,
  index: number,
  width: number,
): FeedForwardPlan["shared"] {
  const matrix = (part: string, columnCount: number, rowCount: number) =>
    reader.matrix(layerTensor(index, part), columnCount, rowCount);
  return {
    gateUp: [
      matrix("ffn_gate_shexp", sizes.width, width),
      matrix("ffn_up_shexp", sizes.width, width),
    ],
    down: matrix("ffn_down_shexp", width, sizes.width),
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
