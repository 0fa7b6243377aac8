/**
 * The dimensions of a llama-architecture model, read from its GGUF header and checked against the
 * tensors that are there.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import type { ModelShape } from "../core/shapes.ts";
import type { GgufFile, GgufTensor } from "./read_gguf.ts";

/**
 * Optional F32 tensor `[ropeDimension / 2]`: the frequency of each pair of channels is divided by
 * its
 * factor (Llama 3.1 and later).
 */
export const ROPE_FACTORS_NAME = "rope_freqs.weight";

const HEAD_SIZE_UNIT = 32;
const HEAD_SIZE_MAX = 256;

/**
 * Reads the model's dimensions. In this architecture RoPE turns neighbouring channels
 * `(2i, 2i + 1)`; the rows of Q and K are stored in that order.
 *
 * @throws {EngineError} `model_unsupported`, naming what is, if this project cannot run the model;
 * `model_file_invalid` if a key or tensor is missing or has another shape than the keys say.
 */
export function readModelShape(file: GgufFile): ModelShape {
  const { metadata } = file;
  const architecture = metadata.getString("general.architecture");
  if (architecture !== "llama") {
    throw unsupported(`its architecture is "${architecture}", not llama`);
  }
  if (metadata.getNumber("llama.expert_count", 0) > 0) throw unsupported("it mixes experts");
  const splitCount = metadata.getNumber("split.count", 1);
  if (splitCount > 1) throw unsupported(`its tensors are split over ${splitCount} files`);

  const layerCount = count(file, "llama.block_count");
  const width = count(file, "llama.embedding_length");
  const queryHeadCount = count(file, "llama.attention.head_count");
  const kvHeadCount = count(file, "llama.attention.head_count_kv", queryHeadCount);
  const headSize = count(file, "llama.attention.key_length", width / queryHeadCount);
  const shape: ModelShape = {
    name: modelName(file),
    layerCount,
    width,
    feedForwardWidth: count(file, "llama.feed_forward_length"),
    queryHeadCount,
    kvHeadCount,
    headSize,
    ropeDimension: count(file, "llama.rope.dimension_count", headSize),
    ropeBase: metadata.getNumber("llama.rope.freq_base", 10_000),
    ropeScale: ropeScale(file),
    normEpsilon: metadata.getNumber("llama.attention.layer_norm_rms_epsilon"),
    vocabSize: tensorOf(file, "token_embd.weight").shape[1] ?? 0,
    contextLengthTrained: count(file, "llama.context_length"),
    tiedOutput: !file.tensors.has("output.weight"),
    parameterCount: parameterCount(file),
  };
  checkHeads(file, shape);
  checkTensors(file, shape);
  return shape;
}

function checkHeads(file: GgufFile, shape: ModelShape): void {
  const { headSize, queryHeadCount, kvHeadCount, ropeDimension } = shape;
  if (headSize % HEAD_SIZE_UNIT !== 0 || headSize > HEAD_SIZE_MAX) {
    throw unsupported(
      `its head size is ${headSize}; supported: multiples of ${HEAD_SIZE_UNIT} to ${HEAD_SIZE_MAX}`,
    );
  }
  const valueSize = file.metadata.getNumber("llama.attention.value_length", headSize);
  if (valueSize !== headSize) {
    throw unsupported(`its keys have ${headSize} channels per head and its values ${valueSize}`);
  }
  if (queryHeadCount % kvHeadCount !== 0) {
    throw invalid(`${queryHeadCount} query heads cannot share ${kvHeadCount} KV heads evenly`);
  }
  if (ropeDimension % 2 !== 0 || ropeDimension > headSize) {
    throw invalid(`RoPE turns ${ropeDimension} of ${headSize} channels`);
  }
}

/**
 * Every tensor the layers need is there in its shape, and no tensor is there that would be ignored.
 */
function checkTensors(file: GgufFile, shape: ModelShape): void {
  const expected = expectedTensors(shape);
  const optional = new Set(["output.weight", ROPE_FACTORS_NAME]);
  for (const [name, wanted] of expected) {
    if (optional.has(name) && !file.tensors.has(name)) continue;
    const tensor = tensorOf(file, name);
    if (String(tensor.shape) !== String(wanted)) {
      throw invalid(`tensor "${name}" has shape [${tensor.shape}], expected [${wanted}]`);
    }
  }
  for (const name of file.tensors.keys()) {
    if (!expected.has(name)) throw unsupported(`it has tensor "${name}", which would be ignored`);
  }
}

/** Names and shapes `[columns, rows]` of all tensors of a model. */
function expectedTensors(shape: ModelShape): Map<string, number[]> {
  const { width, feedForwardWidth, vocabSize, headSize } = shape;
  const queryWidth = shape.queryHeadCount * headSize;
  const kvWidth = shape.kvHeadCount * headSize;
  const layer: Record<string, number[]> = {
    attn_norm: [width],
    attn_q: [width, queryWidth],
    attn_k: [width, kvWidth],
    attn_v: [width, kvWidth],
    attn_output: [queryWidth, width],
    ffn_norm: [width],
    ffn_gate: [width, feedForwardWidth],
    ffn_up: [width, feedForwardWidth],
    ffn_down: [feedForwardWidth, width],
  };
  const tensors = new Map<string, number[]>([
    ["token_embd.weight", [width, vocabSize]],
    ["output_norm.weight", [width]],
    ["output.weight", [width, vocabSize]],
    [ROPE_FACTORS_NAME, [shape.ropeDimension / 2]],
  ]);
  for (let layerIndex = 0; layerIndex < shape.layerCount; layerIndex++) {
    for (const [name, sizes] of Object.entries(layer)) {
      tensors.set(`blk.${layerIndex}.${name}.weight`, sizes);
    }
  }
  return tensors;
}

function ropeScale(file: GgufFile): number {
  const { metadata } = file;
  const type = metadata.getString("llama.rope.scaling.type", "none");
  if (type === "none") return metadata.getNumber("llama.rope.scale_linear", 1);
  if (type !== "linear") {
    throw unsupported(`its RoPE scaling is "${type}"; supported: none, linear`);
  }
  const scale = metadata.getNumber("llama.rope.scaling.factor");
  // llama.cpp reads 0 as "no scaling".
  return scale === 0 ? 1 : scale;
}

function modelName(file: GgufFile): string {
  const { metadata } = file;
  const basename = metadata.getString("general.basename", null);
  const parts = [basename, metadata.getString("general.size_label", null)];
  return metadata.getString("general.name", null) ??
    (basename === null ? "unnamed" : parts.filter((part) => part !== null).join("-"));
}

function parameterCount(file: GgufFile): number {
  let total = 0;
  for (const tensor of file.tensors.values()) {
    total += tensor.shape.reduce((product, size) => product * size, 1);
  }
  return total;
}

function count(file: GgufFile, key: string, fallback?: number): number {
  const { metadata } = file;
  const value = fallback === undefined
    ? metadata.getNumber(key)
    : metadata.getNumber(key, fallback);
  if (!Number.isInteger(value) || value < 1) {
    throw invalid(`"${key}" is ${value}, no positive integer`);
  }
  return value;
}

function tensorOf(file: GgufFile, name: string): GgufTensor {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) throw invalid(`tensor "${name}" is missing`);
  return tensor;
}

function unsupported(state: string): EngineError {
  return new EngineError("model_unsupported", `Cannot run this model: ${state}`);
}

function invalid(state: string): EngineError {
  return new EngineError("model_file_invalid", `Cannot run this model: ${state}`);
}
