import type { AttentionPlan, LayerInputPlan, LayerInputsPlan } from "../plan.ts";
import { readCap } from "./gemma.ts";
import {
  type ArchitecturePlan,
  eachLayer,
  readAttention,
  readEnds,
  readFeedForward,
} from "./layers.ts";
import { invalid, type ModelReader, unsupported } from "./model_reader.ts";
import { readRope } from "./rope.ts";
import { type ModelSizes, readSizes } from "./sizes.ts";
import { layerTensor } from "./tensor_names.ts";
import { readWindows } from "./windows.ts";

const PATTERN = "attention.sliding_window_pattern";

/** Sizes, and what differs between layers. */
interface Gemma4Sizes {
  sizes: ModelSizes;
  /** By layer: newest tokens that it sees; null for all. */
  windows: readonly (number | null)[];
  /** By layer. */
  kvHeadCounts: readonly number[];
  feedForwardWidths: readonly number[];
  /** Of layers that see a window. */
  windowHeadSize: number;
  /** Layers from it on read the keys and values of one before it. */
  firstSharing: number;
  /** Values of a token for each layer; 0 for none. */
  inputWidth: number;
}

/**
 * Gemma 4, dense: layers that see a window have heads of a size of their own, values are normed,
 * scores are not scaled; where a layer has no value heads its keys are the values, before norm and
 * RoPE. Small models share keys and values between their last layers, and have inputs by layer.
 */
export function readGemma4(reader: ModelReader): ArchitecturePlan {
  const all = readGemma4Sizes(reader);
  const { sizes, feedForwardWidths, inputWidth } = all;
  const { width } = sizes;
  const attentionOf = attentionReader(reader, all);
  const { embedding, head, normEpsilon } = readEnds(reader, sizes);
  return {
    sizes,
    normEpsilon,
    embedding: { ...embedding, scale: Math.sqrt(width) },
    layerInputs: inputWidth === 0 ? null : readLayerInputs(reader, sizes, inputWidth),
    layers: eachLayer(sizes, (index) => ({
      attention: attentionOf(index),
      feedForward: readFeedForward(
        reader,
        { ...sizes, feedForwardWidth: feedForwardWidths[index] },
        {
          index,
          activation: "gelu",
          normAfter: reader.vector(layerTensor(index, "post_ffw_norm"), width),
        },
      ),
      input: inputWidth === 0 ? null : readLayerInput(reader, { index, width, inputWidth }),
      factor: reader.vectorIfAny(layerTensor(index, "layer_output_scale"), 1),
    })),
    head: { ...head, softCap: readCap(reader, "final_logit_softcapping", 0) },
  };
}

function readGemma4Sizes(reader: ModelReader): Gemma4Sizes {
  const layerCount = reader.count("block_count");
  if (reader.flagPerLayer(PATTERN, layerCount) === null) {
    throw invalid(`"${reader.architecture}.${PATTERN}" does not say which layers see a window`);
  }
  const windows = readWindows(reader, { layerCount }, { period: 1, window: 0 });
  const kvHeadCounts = reader.countsPerLayer("attention.head_count_kv", layerCount);
  const feedForwardWidths = reader.countsPerLayer("feed_forward_length", layerCount);
  const sizes = readSizes(reader, {
    kvHeadCount: kvHeadCounts[Math.max(0, windows.indexOf(null))],
    feedForwardWidth: Math.max(...feedForwardWidths),
  });
  const windowHeadSize = reader.count("attention.key_length_swa", sizes.headSize);
  const valueSize = reader.count("attention.value_length_swa", windowHeadSize);
  if (valueSize !== windowHeadSize) {
    throw unsupported(
      `its keys have ${windowHeadSize} channels in a window, its values ${valueSize}`,
    );
  }
  return {
    sizes,
    windows,
    kvHeadCounts,
    feedForwardWidths,
    windowHeadSize,
    firstSharing: layerCount - reader.number("attention.shared_kv_layers", 0),
    inputWidth: reader.number("embedding_length_per_layer_input", 0),
  };
}

function attentionReader(reader: ModelReader, all: Gemma4Sizes): (index: number) => AttentionPlan {
  const { sizes, windows, kvHeadCounts, windowHeadSize, firstSharing } = all;
  const { width, queryHeadCount } = sizes;
  const rope = readRope(reader, sizes, "halves");
  const windowRope = {
    ...rope,
    base: reader.positive("rope.freq_base_swa"),
    dimension: reader.count("rope.dimension_count_swa", windowHeadSize),
    factors: null,
  };
  return (index) => {
    const window = windows[index];
    const kvHeadCount = kvHeadCounts[index];
    const headSize = window === null ? sizes.headSize : windowHeadSize;
    const matrix = (part: string, headCount: number) =>
      reader.matrix(layerTensor(index, part), width, headCount * headSize);
    const readNorm = (part: string) => ({
      tensor: reader.vector(layerTensor(index, part), headSize),
      over: "head" as const,
    });
    const common = {
      index,
      rope: window === null ? rope : windowRope,
      window,
      scale: 1,
      queryNorm: readNorm("attn_q_norm"),
      normAfter: reader.vector(layerTensor(index, "post_attention_norm"), width),
    };
    const queries = matrix("attn_q", queryHeadCount);
    const own = { ...sizes, kvHeadCount, headSize };
    if (index >= firstSharing) {
      // Files may have keys and values that no one reads.
      for (const part of ["attn_k", "attn_v", "attn_k_norm"]) {
        reader.leaveOut(layerTensor(index, part));
      }
      return readAttention(reader, own, {
        ...common,
        heads: [queries],
        keyValueLayer: firstSharing - (window === null ? 1 : 2),
      });
    }
    const valueName = layerTensor(index, "attn_v");
    const hasValues = reader.hasTensor(valueName, [width, kvHeadCount * headSize]);
    return readAttention(reader, own, {
      ...common,
      heads: [
        queries,
        matrix("attn_k", kvHeadCount),
        matrix(hasValues ? "attn_v" : "attn_k", kvHeadCount),
      ],
      keyNorm: readNorm("attn_k_norm"),
      normsValues: true,
    });
  };
}

function readLayerInputs(
  reader: ModelReader,
  { width, layerCount, vocabSize }: ModelSizes,
  inputWidth: number,
): LayerInputsPlan {
  const inputsWidth = layerCount * inputWidth;
  return {
    inputWidth,
    table: reader.matrix("per_layer_token_embd.weight", inputsWidth, vocabSize),
    projection: reader.matrix("per_layer_model_proj.weight", width, inputsWidth),
    norm: reader.vector("per_layer_proj_norm.weight", inputWidth),
  };
}

function readLayerInput(
  reader: ModelReader,
  { index, width, inputWidth }: { index: number; width: number; inputWidth: number },
): LayerInputPlan {
  return {
    gate: reader.matrix(layerTensor(index, "inp_gate"), width, inputWidth),
    output: reader.matrix(layerTensor(index, "proj"), inputWidth, width),
    normAfter: reader.vector(layerTensor(index, "post_norm"), width),
  };
}
