/**
 * Attention to latents, under the keys and names of llama.cpp's files with absorbed matrices.
 *
 * @module
 */

import { alignUp } from "../../core/shapes.ts";
import type { AttentionPlan, LatentPlan, MatrixPlan, RopePlan } from "../plan.ts";
import { readAttention } from "./layers.ts";
import { invalid, type ModelReader, unsupported } from "./model_reader.ts";
import { readRope, yarnMagnitude } from "./rope.ts";
import { checkHeadSize, type ModelSizes } from "./sizes.ts";
import { EMBEDDING_NAME, HEAD_NAME, layerTensor } from "./tensor_names.ts";

/** Both halves of a latent are heads. */
const LATENT_UNIT = 64;

/** Sizes of latents, the same in all layers. */
export interface LatentSizes
  extends Pick<LatentPlan, "rank" | "turnedSize" | "contentSize" | "valueSize"> {
  /** Channels that queries are made of; null for those of the layer's input. */
  queryRank: number | null;
}

/**
 * Reads sizes of a model that keeps latents.
 *
 * @throws {EngineError} If they contradict one another, or the file has keys and values in the
 * place of latents.
 */
export function readLatentSizes(
  reader: ModelReader,
): { sizes: ModelSizes; latents: LatentSizes } {
  const layerCount = reader.count("block_count");
  const width = reader.count("embedding_length");
  const queryHeadCount = reader.countPerLayer("attention.head_count", layerCount);
  const rank = reader.count("attention.kv_lora_rank");
  const queryRank = reader.number("attention.q_lora_rank", 0) || null;
  const turnedSize = reader.count("rope.dimension_count");
  const keySize = readMlaSize(reader, "attention.key_length_mla");
  const valueSize = readMlaSize(reader, "attention.value_length_mla");
  const contentSize = keySize - turnedSize;
  if (contentSize <= 0) throw invalid(`RoPE turns ${turnedSize} of ${keySize} channels`);
  if (turnedSize > rank) {
    throw unsupported(`its latents have ${rank} channels and their turned keys ${turnedSize}`);
  }
  const headSize = alignUp(rank + turnedSize, LATENT_UNIT) / 2;
  checkHeadSize(headSize);
  const vocabSize = reader.rowCount(EMBEDDING_NAME, width);
  const feedForwardWidth = reader.countPerLayer("feed_forward_length", layerCount);
  const contextLengthTrained = reader.count("context_length");
  const tiedOutput = !reader.hasTensor(HEAD_NAME, [width, vocabSize]);
  const ofFile = { width, layerCount, vocabSize, feedForwardWidth };
  return {
    sizes: {
      ...ofFile,
      queryHeadCount,
      kvHeadCount: 1,
      headSize,
      contextLengthTrained,
      tiedOutput,
    },
    latents: { rank, turnedSize, contentSize, valueSize, queryRank },
  };
}

function readMlaSize(reader: ModelReader, key: string): number {
  if (reader.number(key, 0) > 0) return reader.count(key);
  throw unsupported(
    `it has no "${reader.architecture}.${key}": its keys and values are not made of latents by ` +
      "matrices of their own (attn_k_b, attn_v_b), as in files that llama.cpp converts since 2025",
  );
}

/**
 * Attention of layer `index` to the latents of layer `keyValueLayer`.
 *
 * @param options `latents`: sizes. `rope`, `scale`: of {@link readLatentRope}.
 */
export function readLatentAttention(
  reader: ModelReader,
  sizes: ModelSizes,
  options: {
    index: number;
    keyValueLayer: number;
    latents: LatentSizes;
    rope: RopePlan;
    scale: number;
  },
): AttentionPlan {
  const { index, keyValueLayer, latents, rope, scale } = options;
  const { width, queryHeadCount } = sizes;
  const { rank, turnedSize, contentSize, valueSize, queryRank } = latents;
  const name = (part: string) => layerTensor(index, part);
  const keySize = contentSize + turnedSize;
  const queries = queryRank === null
    ? reader.matrix(name("attn_q"), width, queryHeadCount * keySize)
    : reader.matrix(name("attn_q_b"), queryRank, queryHeadCount * keySize);
  const rowsOfHeads = (first: number, rowCount: number): MatrixPlan[] =>
    Array.from({ length: queryHeadCount }, (_, head) => {
      return { ...queries, rowStart: head * keySize + first, rowCount };
    });
  const ofHeads = (part: string, columnCount: number, rowCount: number) =>
    reader.expertMatrix(name(part), { columnCount, rowCount, expertCount: queryHeadCount });
  const latent: LatentPlan = {
    rank,
    turnedSize,
    contentSize,
    valueSize,
    queryDown: queryRank === null ? null : {
      matrix: reader.matrix(name("attn_q_a"), width, queryRank),
      norm: reader.vector(name("attn_q_a_norm"), queryRank),
    },
    contentQueries: rowsOfHeads(0, contentSize),
    turnedQueries: rowsOfHeads(contentSize, turnedSize),
    down: keyValueLayer !== index ? null : {
      matrix: reader.matrix(name("attn_kv_a_mqa"), width, rank + turnedSize),
      norm: reader.vector(name("attn_kv_a_norm"), rank),
    },
    keyUp: ofHeads("attn_k_b", contentSize, rank),
    valueUp: ofHeads("attn_v_b", rank, valueSize),
  };
  return readAttention(reader, sizes, {
    index,
    keyValueLayer,
    latent,
    rope,
    scale,
    heads: [],
    output: reader.matrix(name("attn_output"), queryHeadCount * valueSize, width),
  });
}

/**
 * RoPE of the turned keys, and the factor of scores. YaRN grows both: by its own factor where the
 * file does not say how much, else scores alone. DeepSeek-V2, arXiv:2405.04434, section 3.1.4.
 */
export function readLatentRope(
  reader: ModelReader,
  sizes: ModelSizes,
  { turnedSize, contentSize }: LatentSizes,
): { rope: RopePlan; scale: number } {
  const rope = readRope(reader, { ...sizes, headSize: turnedSize }, "neighbours");
  const weight = reader.number("rope.scaling.yarn_log_multiplier", 0);
  const plain = 1 / Math.sqrt(contentSize + turnedSize);
  if (rope.yarn === null) return { rope, scale: plain };
  const { positionScale } = rope;
  const magnitude = weight === 0 ? rope.magnitude : rope.magnitude / yarnMagnitude(positionScale);
  // Files hold a tenth of the weight.
  const growth = magnitude * yarnMagnitude(positionScale, 10 * weight);
  return { rope: { ...rope, magnitude }, scale: plain * growth ** 2 };
}
