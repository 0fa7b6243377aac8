import { quote } from "../../core/quote.ts";
import type { RopePlan } from "../plan.ts";
import { invalid, type ModelReader, unsupported } from "./model_reader.ts";
import type { ModelSizes } from "./sizes.ts";
import { ROPE_FACTORS_NAME } from "./tensor_names.ts";

/**
 * Reads RoPE under the keys that all architectures share; `pairing` is the architecture's own.
 *
 * @throws {EngineError} If more channels turn than a head has, or the scaling is not supported.
 */
export function readRope(
  reader: ModelReader,
  { headSize }: ModelSizes,
  pairing: RopePlan["pairing"],
): RopePlan {
  const dimension = reader.count("rope.dimension_count", headSize);
  if (dimension % 2 !== 0 || dimension > headSize) {
    throw invalid(`RoPE turns ${dimension} of ${headSize} channels`);
  }
  return {
    base: reader.positive("rope.freq_base", 10_000),
    dimension,
    pairing,
    ...readScaling(reader),
    factors: reader.vectorIfAny(ROPE_FACTORS_NAME, dimension / 2),
  };
}

/**
 * How much queries and keys grow when positions are divided by `positionScale`, times `weight`.
 * Peng et al. 2023, arXiv:2309.00071, equation 22.
 */
export function yarnMagnitude(positionScale: number, weight = 1): number {
  return 1 + 0.1 * weight * Math.log(Math.max(1, positionScale));
}

type Scaling = Pick<RopePlan, "positionScale" | "yarn" | "magnitude">;

function readScaling(reader: ModelReader): Scaling {
  const type = reader.text("rope.scaling.type", "none");
  const attentionFactor = reader.positive("rope.scaling.attn_factor", 1);
  if (type === "none") {
    const positionScale = reader.positive("rope.scale_linear", 1);
    return { positionScale, yarn: null, magnitude: attentionFactor };
  }
  if (type !== "linear" && type !== "yarn") {
    throw unsupported(`its RoPE scaling is ${quote(type)}; supported: none, linear, yarn`);
  }
  // llama.cpp reads 0 as "no scaling".
  const isScaled = reader.number("rope.scaling.factor") !== 0;
  const positionScale = isScaled ? reader.positive("rope.scaling.factor") : 1;
  if (type === "linear") return { positionScale, yarn: null, magnitude: attentionFactor };
  const yarn = {
    originalContextLength: reader.count(
      "rope.scaling.original_context_length",
      reader.count("context_length"),
    ),
    betaFast: reader.positive("rope.scaling.yarn_beta_fast", 32),
    betaSlow: reader.positive("rope.scaling.yarn_beta_slow", 1),
  };
  // Longer contexts flatten attention: half on queries, half on keys.
  const magnitude = attentionFactor * yarnMagnitude(positionScale);
  return { positionScale, yarn, magnitude };
}
