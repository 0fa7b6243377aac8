/** The WGSL of every kernel for a model and an adapter, made without a device. */

import { BandedLayout } from "../../src/codec/banded/layout.ts";
import { DeltaKvLayout } from "../../src/codec/deltakv/layout.ts";
import { DELTAKV_PROFILES } from "../../src/codec/deltakv/settings.ts";
import { Int8Layout } from "../../src/codec/int8/layout.ts";
import { XquantLayout } from "../../src/codec/xquant/layout.ts";
import { PaperLayout } from "../../src/codec/paper/layout.ts";
import type { AdapterFacts, Gpu, PipelineOptions } from "../../src/gpu/gpu.ts";
import { AttentionDecodeBandedKernel } from "../../src/kernels/attention_decode/banded.ts";
import { AttentionDecodeInt8Kernel } from "../../src/kernels/attention_decode/int8.ts";
import { AttentionDecodeXquantKernel } from "../../src/kernels/attention_decode/xquant.ts";
import { AttentionDecodePaperKernel } from "../../src/kernels/attention_decode/paper.ts";
import { AttentionDecodeRawKernel } from "../../src/kernels/attention_decode/raw.ts";
import { AttentionMergeKernel } from "../../src/kernels/attention_merge/head.ts";
import { AttentionPrefillKernel } from "../../src/kernels/attention_prefill/raw.ts";
import { AttentionScoresKernel } from "../../src/kernels/attention_scores/raw.ts";
import { ChannelScoresKernel } from "../../src/kernels/channel_scores/raw.ts";
import { BlockAttentionKernel } from "../../src/kernels/block_scores/attention.ts";
import { BlockPartsKernel } from "../../src/kernels/block_scores/parts.ts";
import { BlockScoresKernel } from "../../src/kernels/block_scores/summary.ts";
import type { SplitShape } from "../../src/kernels/text/attention.ts";
import { BlockShareKernel } from "../../src/kernels/block_select/share.ts";
import { BlockSelectKernel } from "../../src/kernels/block_select/top.ts";
import { BlockSummaryClustersKernel } from "../../src/kernels/block_summary/clusters.ts";
import { BlockSummaryRangeKernel } from "../../src/kernels/block_summary/range.ts";
import { BlockUnpackBandedKernel } from "../../src/kernels/block_unpack/banded.ts";
import { BlockUnpackDeltaKvKernel } from "../../src/kernels/block_unpack/deltakv.ts";
import { BlockUnpackInt8Kernel } from "../../src/kernels/block_unpack/int8.ts";
import { BlockUnpackXquantKernel } from "../../src/kernels/block_unpack/xquant.ts";
import { BlockUnpackPaperKernel } from "../../src/kernels/block_unpack/paper.ts";
import { EmbedKernel } from "../../src/kernels/embed/row.ts";
import { ROWS_ROOM, TILE_ROOM } from "../../src/kernels/expert_bundles.ts";
import { ExpertMatmulCodesKernel } from "../../src/kernels/expert_matmul/codes.ts";
import { ExpertMatmulCodesTileKernel } from "../../src/kernels/expert_matmul/codes_tile.ts";
import { ExpertMatmulKernel } from "../../src/kernels/expert_matmul/rows.ts";
import { ExpertMatmulTileKernel } from "../../src/kernels/expert_matmul/tile.ts";
import { ExpertRouteKernel } from "../../src/kernels/expert_route/rows.ts";
import { ExpertSumKernel } from "../../src/kernels/expert_sum/row.ts";
import { FinishLatentKernel } from "../../src/kernels/finish_latent/row.ts";
import { FinishHeadsKernel } from "../../src/kernels/finish_heads/head.ts";
import { KvGatherBandedKernel } from "../../src/kernels/kv_gather/banded.ts";
import { KvGatherRawKernel } from "../../src/kernels/kv_gather/raw.ts";
import { KvDescribeDeltaKvKernel } from "../../src/kernels/kv_describe/deltakv.ts";
import { KvMeasureBandedKernel } from "../../src/kernels/kv_measure/banded.ts";
import { KvMeasurePaperKernel } from "../../src/kernels/kv_measure/paper.ts";
import { KvPackBandedKernel } from "../../src/kernels/kv_pack/banded.ts";
import { KvPackPaperKernel } from "../../src/kernels/kv_pack/paper.ts";
import { KvQuantiseBandedKernel } from "../../src/kernels/kv_quantise/banded.ts";
import { KvQuantiseInt8Kernel } from "../../src/kernels/kv_quantise/int8.ts";
import { KvQuantiseXquantKernel } from "../../src/kernels/kv_quantise/xquant.ts";
import { KvQuantisePaperKernel } from "../../src/kernels/kv_quantise/paper.ts";
import { KvRepackGreedyKernel } from "../../src/kernels/kv_repack/greedy.ts";
import { KvRepackMedianKernel } from "../../src/kernels/kv_repack/median.ts";
import { LogitsAdjustKernel } from "../../src/kernels/logits_adjust/row.ts";
import type { MatmulOutput } from "../../src/kernels/matmul/product.ts";
import { hasCodes, isOfCodes } from "../../src/kernels/matmul/code_inputs.ts";
import { MatmulCodesKernel } from "../../src/kernels/matmul/codes.ts";
import { MatmulCodesTileKernel } from "../../src/kernels/matmul/codes_tile.ts";
import { MatmulKernel } from "../../src/kernels/matmul/rows.ts";
import { MatmulTileKernel } from "../../src/kernels/matmul/tile.ts";
import { NormAddKernel } from "../../src/kernels/norm_add/row.ts";
import { SampleChunksKernel } from "../../src/kernels/sample/chunks.ts";
import { SampleKernel } from "../../src/kernels/sample/row.ts";
import { TokenLogprobsKernel } from "../../src/kernels/token_logprobs/row.ts";
import { WEIGHT_FORMATS, type WeightFormat } from "../../src/kernels/weight_formats.ts";
import type { DeviceWeights } from "../../src/kernels/weight_layout.ts";
import { windowTileCount } from "../../src/core/shapes.ts";
import { splitShape } from "../../src/model/attention_splits.ts";

/** Shape of a model, as far as kernels depend on it. */
export interface TextModel {
  layerCount: number;
  width: number;
  feedForwardWidth: number;
  queryHeadCount: number;
  kvHeadCount: number;
  headSize: number;
  vocabSize: number;
}

/** Models by name: each varies heads. */
export const TEXT_MODELS: Readonly<Record<string, TextModel>> = {
  "135M": model({ layers: 30, width: 576, wide: 1536, heads: [9, 3, 64], vocab: 49152 }),
  "7B without groups": model({ layers: 32, width: 4096, wide: 11008, heads: [32, 32, 128] }),
  "8B": model({ layers: 32, width: 4096, wide: 14336, heads: [32, 8, 128] }),
  "70B": model({ layers: 80, width: 8192, wide: 28672, heads: [64, 8, 128] }),
  "heads of 96": model({ layers: 32, width: 3072, wide: 8192, heads: [24, 8, 96] }),
  "heads of 256": model({ layers: 34, width: 2560, wide: 10240, heads: [8, 4, 256] }),
  "groups of 6 heads of 256": model({ layers: 64, width: 5120, wide: 17408, heads: [24, 4, 256] }),
  "heads of 512": model({ layers: 42, width: 2560, wide: 10240, heads: [8, 2, 512] }),
};

/** A text with the values of its `override` constants. */
export type KernelText = Required<PipelineOptions>;

/** Which texts are made. */
export interface TextOptions {
  model: TextModel;
  facts: AdapterFacts;
  contextTokens: number;
}

const FORMATS = Object.keys(WEIGHT_FORMATS) as WeightFormat[];
const PACK_SIZES = [4, 8, 16, 32] as const;

/** Texts of all kernels. */
export async function kernelTexts(options: TextOptions): Promise<KernelText[]> {
  return [
    ...await attentionTexts(options),
    ...await productTexts(options),
    ...await sealingTexts(options),
    ...await logitTexts(options),
  ];
}

/** What scores blocks and chooses among them. */
async function createChoices(
  gpu: Gpu,
  { shape, splits, facts, listCountMax }: {
    shape: TextModel;
    splits: SplitShape;
    facts: AdapterFacts;
    listCountMax: number;
  },
): Promise<void> {
  for (const kind of ["range", "clusters"] as const) {
    await BlockScoresKernel.create(gpu, { shape, kind, listCountMax });
  }
  // A software driver makes turns for some hundred blocks only; longer lists are refused by name.
  const attendedCountMax = facts.isFallback ? Math.min(listCountMax, 24) : listCountMax;
  for (const isUnpacked of [false, true]) {
    await BlockAttentionKernel.create(gpu, { shape, listCountMax: attendedCountMax, isUnpacked });
  }
  await BlockPartsKernel.create(gpu, { shape, splits, listCountMax });
  await BlockSelectKernel.create(gpu, { ...shape, listCountMax });
  const sharedCountMax = facts.isFallback ? Math.min(listCountMax, 6279) : listCountMax;
  await BlockShareKernel.create(gpu, { ...shape, listCountMax: sharedCountMax });
}

/** Texts of attention and of unpacking for it, which depend on the length of the context. */
export async function attentionTexts(options: TextOptions): Promise<KernelText[]> {
  const { model: shape, facts } = options;
  const { gpu, texts } = recordingGpu(facts);
  const blockCountMax = blockCountOf(options);
  const { bindingSizeMax } = facts;
  const splits = splitShape(blockCountMax, { shape, rowCount: 64, bindingSizeMax });
  const common = { shape, splits };
  const banded = new BandedLayout({ ...shape, sinkCount: 4 });
  await AttentionDecodeBandedKernel.create(gpu, { ...common, layout: banded });
  const singles = { blocksPerSplit: 1, splitCountMax: 24, partialWords: 2 };
  await AttentionDecodeBandedKernel.create(gpu, {
    ...{ shape, splits: singles, layout: banded },
    isScoresOnly: true,
  });
  await BlockUnpackBandedKernel.create(gpu, { layout: banded });
  const dropped = { layout: banded, hasDropped: true };
  await AttentionDecodeBandedKernel.create(gpu, { ...common, ...dropped });
  await BlockUnpackBandedKernel.create(gpu, dropped);
  const int8 = new Int8Layout(shape);
  await AttentionDecodeInt8Kernel.create(gpu, { ...common, layout: int8 });
  await BlockUnpackInt8Kernel.create(gpu, { layout: int8 });
  const xquant = new XquantLayout(shape, { name: "xquant", bits: "2-1", shrink: 1 });
  await AttentionDecodeXquantKernel.create(gpu, { ...common, layout: xquant });
  await BlockUnpackXquantKernel.create(gpu, { layout: xquant });
  await BlockUnpackDeltaKvKernel.create(gpu, { layout: deltaKvLayout(shape) });
  for (const packSize of PACK_SIZES) {
    for (const [keyBits, valueBits] of [[4, 3], [8, 8]]) {
      const layout = new PaperLayout({ ...shape, packSize, keyBits, valueBits });
      await AttentionDecodePaperKernel.create(gpu, { ...common, layout });
      await BlockUnpackPaperKernel.create(gpu, { layout });
    }
  }
  for (const source of ["window", "arena", "scratch"] as const) {
    await AttentionPrefillKernel.create(gpu, { ...common, source });
    if (source !== "scratch") await AttentionDecodeRawKernel.create(gpu, { ...common, source });
  }
  for (const source of ["window", "arena", "scratch"] as const) {
    const scored = { ...common, source, tokenCountMax: 8192, sinkCount: 4, blocksPerSegment: 8 };
    await AttentionScoresKernel.create(gpu, { ...scored, hasSinks: false });
    await AttentionScoresKernel.create(gpu, { ...scored, hasSinks: true });
    await ChannelScoresKernel.create(gpu, { ...scored, slotCount: 8 });
  }
  for (const source of ["arena", "scratch"] as const) {
    await BlockSummaryRangeKernel.create(gpu, { shape, source });
    await BlockSummaryClustersKernel.create(gpu, { shape, source });
  }
  await createChoices(gpu, { ...common, facts, listCountMax: blockCountMax });
  const inRing = { ...common, source: "window", tileCount: windowTileCount(512, 2) } as const;
  await AttentionPrefillKernel.create(gpu, inRing);
  await AttentionDecodeRawKernel.create(gpu, inRing);
  const capped = { splits, shape: { ...shape, softCap: 50 } };
  await AttentionDecodeBandedKernel.create(gpu, { ...capped, layout: banded });
  await AttentionDecodeRawKernel.create(gpu, { ...capped, source: "window" });
  await AttentionMergeKernel.create(gpu, common);
  await AttentionMergeKernel.create(gpu, { ...common, hasSinks: true });
  const { queryHeadCount } = shape;
  const latents = { queryHeadCount, kvHeadCount: 1, headSize: 288, hasLatents: true };
  for (const source of ["window", "arena", "scratch"] as const) {
    await AttentionPrefillKernel.create(gpu, { splits, shape: latents, source });
  }
  const wanted = { first: 64, count: 512 };
  await AttentionMergeKernel.create(gpu, { splits, shape: latents, wanted });
  return texts;
}

/** Sealed blocks of a context, whose newest two are raw at least. */
export function blockCountOf({ contextTokens }: Pick<TextOptions, "contextTokens">): number {
  return Math.max(1, Math.floor(contextTokens / 64) - 2);
}

async function productTexts({ model, facts }: TextOptions): Promise<KernelText[]> {
  const { gpu, texts } = recordingGpu(facts);
  const { queryHeadCount, kvHeadCount, headSize, width, feedForwardWidth, vocabSize } = model;
  const queryWidth = queryHeadCount * headSize;
  const heads = { kind: "heads", queryHeadCount, kvHeadCount, headSize } as const;
  const products: [output: MatmulOutput, rows: number, columns: number, norm: boolean][] = [
    [heads, queryWidth + 2 * kvHeadCount * headSize, width, true],
    [{ kind: "add" }, width, queryWidth, false],
    [{ kind: "addBiased" }, width, queryWidth, false],
    [{ kind: "silu" }, 2 * feedForwardWidth, width, true],
    [{ kind: "gelu" }, 2 * feedForwardWidth, width, true],
    [{ kind: "capped", cap: 30 }, vocabSize, width, true],
    [{ kind: "store" }, vocabSize, width, true],
  ];
  for (const format of FORMATS) {
    for (const [output, rowCount, columnCount, hasNorm] of products) {
      const weights = weightsOf(format, rowCount, columnCount);
      const options = { weights, output, ...(hasNorm ? { normEpsilon: 1e-5 } : {}) };
      await MatmulKernel.create(gpu, options);
      await MatmulTileKernel.create(gpu, options);
    }
    const head = {
      weights: weightsOf(format, vocabSize, width),
      output: { kind: "store" },
    } as const;
    await MatmulTileKernel.create(gpu, { ...head, tileRowCount: 32 });
    await codesTexts(gpu, head.weights, facts);
    await EmbedKernel.create(gpu, weightsOf(format, vocabSize, width));
  }
  for (const norm of [null, { over: "head", epsilon: 1e-6 }] as const) {
    await FinishHeadsKernel.create(gpu, { queryHeadCount, kvHeadCount, headSize, norm });
  }
  const latent = { queryHeadCount, headSize: 288, rank: 512, turnedSize: 64, makesLatent: true };
  await FinishLatentKernel.create(gpu, { ...latent, scale: 1, epsilon: 1e-6 });
  await NormAddKernel.create(gpu, { width, epsilon: 1e-6 });
  for (const format of FORMATS) await expertTexts(gpu, format, { width, feedForwardWidth });
  const routed = { expertCount: 128, usedCount: 8 };
  for (const room of [ROWS_ROOM, TILE_ROOM] as const) {
    await ExpertRouteKernel.create(gpu, { ...routed, room });
  }
  await ExpertSumKernel.create(gpu, { width, usedCount: routed.usedCount });
  return texts;
}

/** Products of codes; one format's also where a device multiplies no bytes. */
async function codesTexts(gpu: Gpu, weights: DeviceWeights, facts: AdapterFacts): Promise<void> {
  if (!hasCodes(weights)) return;
  const scratch = (label: string, sizeBytes: number) => gpu.createBuffer(label, sizeBytes);
  const options = { weights, output: { kind: "store" }, normEpsilon: 1e-5, scratch } as const;
  const kinds = [MatmulCodesKernel, MatmulCodesTileKernel];
  for (const kind of kinds) await kind.create(gpu, options, facts);
  await MatmulCodesTileKernel.create(gpu, { ...options, tileRowCount: 32 }, facts);
  if (weights.parts[0].format !== "q4") return;
  for (const kind of kinds) await kind.create(gpu, options, { ...facts, hasDot4: false });
}

/** Products of experts: gated with biases or without, and back to the width. */
async function expertTexts(
  gpu: Gpu,
  format: WeightFormat,
  { width, feedForwardWidth }: Pick<TextModel, "width" | "feedForwardWidth">,
): Promise<void> {
  const parts = [{ expertStart: 0, expertCount: 128 }];
  const common = { format, expertCount: 128, parts };
  const open = { ...common, rowCount: 2 * feedForwardWidth, columnCount: width };
  const close = { ...common, rowCount: width, columnCount: feedForwardWidth };
  for (const hasBiases of [false, true]) {
    const output = hasBiases ? "clamped" : "silu";
    const gated = { weights: open, usedCount: 8, input: "row", output, hasBiases } as const;
    const back = { weights: close, usedCount: 8, input: "visit", output: "store" } as const;
    await ExpertMatmulKernel.create(gpu, { ...gated, normEpsilon: 1e-5 });
    await ExpertMatmulKernel.create(gpu, { ...back, hasBiases });
    if (hasBiases) await ExpertMatmulTileKernel.create(gpu, { ...gated, normEpsilon: 1e-5 });
    else await ExpertMatmulTileKernel.create(gpu, { ...back, hasBiases });
    if (!isOfCodes(format)) continue;
    const scratch = (label: string, sizeBytes: number) => gpu.createBuffer(label, sizeBytes);
    await ExpertMatmulCodesKernel.create(gpu, { ...gated, normEpsilon: 1e-5, scratch });
    await ExpertMatmulCodesTileKernel.create(gpu, { ...back, hasBiases, scratch });
  }
}

/** A section of heads of 512 takes 24 KB; where there is less, packing is refused by name. */
export function hasRoomToPackPaper({ model, facts }: Omit<TextOptions, "contextTokens">): boolean {
  return model.headSize <= 256 || facts.workgroupMemoryBytesMax >= 32 * 1024;
}

async function sealingTexts({ model, facts }: TextOptions): Promise<KernelText[]> {
  const { gpu, texts } = recordingGpu(facts);
  const { layerCount: storeCount } = model;
  const banded = { layout: new BandedLayout({ ...model, sinkCount: 4 }), storeCount };
  await KvQuantiseBandedKernel.create(gpu, banded);
  await KvMeasureBandedKernel.create(gpu, banded);
  await KvPackBandedKernel.create(gpu, banded);
  await KvGatherBandedKernel.create(gpu, banded);
  await KvGatherRawKernel.create(gpu, { shape: model, storeCount });
  await KvQuantiseInt8Kernel.create(gpu, { layout: new Int8Layout(model), storeCount });
  const xquant = new XquantLayout(model, { name: "xquant", bits: "2", shrink: 1 });
  await KvQuantiseXquantKernel.create(gpu, { layout: xquant, storeCount });
  await KvDescribeDeltaKvKernel.create(gpu, { layout: deltaKvLayout(model), storeCount });
  for (const packSize of PACK_SIZES) {
    const layout = new PaperLayout({ ...model, packSize, keyBits: 4, valueBits: 3 });
    const paper = { layout, storeCount };
    await KvQuantisePaperKernel.create(gpu, { ...paper, keyRel: 0.1, valueRel: 0.2 });
    await KvMeasurePaperKernel.create(gpu, paper);
    if (hasRoomToPackPaper({ model, facts })) await KvPackPaperKernel.create(gpu, paper);
    await KvRepackGreedyKernel.create(gpu, paper);
    await KvRepackMedianKernel.create(gpu, paper);
  }
  return texts;
}

/** With as many centres as there can be. */
function deltaKvLayout(shape: TextModel): DeltaKvLayout {
  return new DeltaKvLayout(shape, DELTAKV_PROFILES.profile({ name: "deltakv", stride: 4 }));
}

async function logitTexts({ model, facts }: TextOptions): Promise<KernelText[]> {
  const { gpu, texts } = recordingGpu(facts);
  const { vocabSize } = model;
  await LogitsAdjustKernel.create(gpu, { vocabSize });
  await SampleKernel.create(gpu, { vocabSize });
  await SampleChunksKernel.create(gpu, { vocabSize });
  await TokenLogprobsKernel.create(gpu, { vocabSize });
  return texts;
}

/** A device that compiles nothing and keeps what it was given to compile. */
function recordingGpu(facts: AdapterFacts): { gpu: Gpu; texts: KernelText[] } {
  const texts: KernelText[] = [];
  const gpu = {
    facts,
    createPipeline: ({ label, code, constants = {} }: PipelineOptions) => {
      texts.push({ label, code, constants });
      return Promise.resolve({});
    },
  };
  return { gpu: gpu as unknown as Gpu, texts };
}

function weightsOf(
  format: WeightFormat,
  rowCount: number,
  columnCount: number,
): DeviceWeights {
  const parts = [{ format, rowStart: 0, rowCount }] as DeviceWeights["parts"];
  return { rowCount, columnCount, parts };
}

function model(
  sizes: {
    layers: number;
    width: number;
    wide: number;
    heads: [query: number, kv: number, size: number];
    vocab?: number;
  },
): TextModel {
  const [queryHeadCount, kvHeadCount, headSize] = sizes.heads;
  return {
    layerCount: sizes.layers,
    width: sizes.width,
    feedForwardWidth: sizes.wide,
    queryHeadCount,
    kvHeadCount,
    headSize,
    vocabSize: sizes.vocab ?? 128256,
  };
}
