import type { RopePlan, TemperaturePlan } from "../plan.ts";
import {
  type ArchitecturePlan,
  eachLayer,
  readAttention,
  readEnds,
  readFeedForward,
  readOutputBias,
} from "./layers.ts";
import { readExpertsIfAny } from "./experts.ts";
import type { ModelReader } from "./model_reader.ts";
import { readRope, yarnMagnitude } from "./rope.ts";
import { type ModelSizes, readSizes } from "./sizes.ts";

/** Ministral 3 and kin: llama with YaRN, and queries that grow by position; some have experts. */
export function readMistral3(reader: ModelReader): ArchitecturePlan {
  const sizes = readSizes(reader);
  const rope = readYarn(reader, sizes);
  const temperature = readTemperature(reader, sizes);
  const scale = reader.number("attention.scale", 0) || 1 / Math.sqrt(sizes.headSize);
  return {
    sizes,
    ...readEnds(reader, sizes),
    layers: eachLayer(sizes, (index) => ({
      attention: readAttention(reader, sizes, {
        index,
        rope,
        scale,
        temperature,
        outputBias: readOutputBias(reader, sizes, index),
      }),
      feedForward: readFeedForward(reader, sizes, {
        index,
        ...readExpertsIfAny(reader, sizes, index),
      }),
    })),
  };
}

/** YaRN whose growth of queries and keys is taken back, by a weight of its logarithm. */
function readYarn(reader: ModelReader, sizes: ModelSizes): RopePlan {
  const rope = readRope(reader, sizes, "neighbours");
  const weight = reader.number("rope.scaling.yarn_log_multiplier", 0);
  if (rope.yarn === null || weight === 0) return rope;
  return { ...rope, magnitude: rope.magnitude / yarnMagnitude(rope.positionScale, weight) };
}

function readTemperature(reader: ModelReader, sizes: ModelSizes): TemperaturePlan | null {
  const factor = reader.number("attention.temperature_scale", 0);
  if (factor === 0) return null;
  const original = sizes.contextLengthTrained;
  return { factor, length: reader.count("rope.scaling.original_context_length", original) };
}
