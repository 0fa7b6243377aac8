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
    base: reader.number("rope.freq_base", 10_000),
    dimension,
    pairing,
    positionScale: readPositionScale(reader),
    factors: reader.vectorIfAny(ROPE_FACTORS_NAME, dimension / 2),
  };
}

function readPositionScale(reader: ModelReader): number {
  const type = reader.text("rope.scaling.type", "none");
  if (type === "none") return reader.number("rope.scale_linear", 1);
  if (type !== "linear") {
    throw unsupported(`its RoPE scaling is "${type}"; supported: none, linear`);
  }
  const scale = reader.number("rope.scaling.factor");
  // llama.cpp reads 0 as "no scaling".
  return scale === 0 ? 1 : scale;
}
