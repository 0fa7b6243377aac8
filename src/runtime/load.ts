/**
 * Builds everything the step loop drives, from load options.
 *
 * @module
 */

import { adaptive } from "../scheduler/adaptive_retention.ts";
import { conversationsLast } from "../scheduler/conversation_retention.ts";
import { leastRecentlyUsed } from "../scheduler/retention.ts";
import type { Calibration } from "../calibration/calibration.ts";
import { EngineError, type EngineErrorCode } from "../core/errors.ts";
import type { CodecProfile } from "../codec/profile_types.ts";
import {
  BLOCK_TOKEN_COUNT,
  CONTEXT_LENGTH_MAX,
  type ModelShape,
  windowBlocks,
  WORD_SIZE_BYTES,
} from "../core/shapes.ts";
import type { GgufFile } from "../gguf/gguf_file.ts";
import { GgufMetadata } from "../gguf/metadata.ts";
import { modelFileName } from "../gguf/split_files.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { productMath } from "../model/product_math.ts";
import { RopeTables } from "../model/rope_table.ts";
import { tensorValues } from "../model/tensor_source.ts";
import { BlockEventLog } from "../scheduler/block_events.ts";
import { rootName } from "../scheduler/block_name.ts";
import { STEP_TOKEN_COUNT_DEFAULT } from "../scheduler/admission.ts";
import type { BlockFormat } from "../tiers/block_format.ts";
import type { SequenceFormat } from "../tiers/sequence_file.ts";
import type { SealPolicy } from "../scheduler/seal_policies/policy.ts";
import { sealPolicy } from "../scheduler/seal_policies/registry.ts";
import { Scheduler } from "../scheduler/scheduler.ts";
import { cacheBytes, layerBytes, tokenBytes } from "./cache_bytes.ts";
import { type CacheShape, rawTiles } from "../kvcache/cache_shape.ts";
import { keepsAll } from "../kvcache/store.ts";
import { blockCapacity, type CachePlan, checkedProfile } from "./cache_plan.ts";
import { checkedKeep } from "./keep_options.ts";
import { cacheForReading } from "./read_method.ts";
import { type LoadedModel, loadModel, type OnProgress } from "./load_model.ts";
import { TierClient } from "../tiers/tier_client.ts";
import { modelFingerprint } from "./fingerprint.ts";
import { codecInForce, modelCodec } from "./model_codec.ts";
import { resolveCalibration } from "./resolve_calibration.ts";
import { contentName, prefixRoot, STORE_VERSION } from "./prefix_root.ts";
import { rowCostOf } from "./row_cost.ts";
import { UNREAD_COUNT_MAX } from "./step_clock.ts";
import { StepDriver } from "./step_driver.ts";
import { StepRunner } from "./step_runner.ts";
import { servedCache } from "./served_cache.ts";
import { tuneModel } from "./tune_model.ts";
import { checkedReading } from "./value_limits.ts";
import { warmUp } from "./warm_up.ts";
import type { CacheBytes, EngineInfo, LayerBytes, LoadOptions } from "./types.ts";

/** Share of loading that is loading weights. */
const WEIGHTS_PROGRESS = 0.5;

/**
 * Tokens of a step that decodes on a CPU adapter: a prompt token costs about a fifth of a lone
 * decode row there, and a running stream must not wait for four of its usual steps.
 */
const STEP_TOKEN_COUNT_ON_CPU = 4;

/** Rows of a step for guesses: those of one sequence, and one more. */
const DRAFT_ROW_COUNT = 8;

/** Attention to packed blocks takes this much longer than matrix products of as many operations. */
const ATTENTION_COST = 1.15;

/** Bytes that a step may copy to the host, if not even one block's raw tiles take as much. */
const SAVE_SIZE_BYTES_MIN = 2 ** 20;

/** The RMSNorm behind the last layer. */
export interface FinalNorm {
  /** f32 `[width]`. */
  weights: Float32Array;
  /** Added to the mean square. */
  epsilon: number;
}

/** What a step loop drives. */
export interface Runtime {
  gpu: Gpu;
  info: EngineInfo;
  driver: StepDriver;
  /** Null if blocks do not go to a disk. */
  disk: TierClient | null;
  /** Null if blocks do not go to a store. */
  store: TierClient | null;
  /** What comes to the caches and what goes; null if nobody wants to know. */
  blockEvents: BlockEventLog | null;
  /** A calibration that loading had to measure, to be kept; null if it had not. */
  measuredCalibration: Calibration | null;
  /** What saved sequences must agree with; any adapter's will do. */
  sequenceFormat: SequenceFormat;
  finalNorm: FinalNorm;
  /** Ids that end a sequence. */
  eosIds: readonly number[];
  /** Bytes of the sealed blocks now. */
  cacheBytes(): CacheBytes;
  /** The same and the raw windows, by layer. */
  layerBytes(): LayerBytes[];
}

/** Loads a model and makes a cache, a runner and a scheduler for it. */
export async function loadRuntime(options: LoadOptions, onProgress: OnProgress): Promise<Runtime> {
  const profile = checkedProfile(options.profile);
  const { metadata, ...header } = options.header;
  const file = { ...header, metadata: new GgufMetadata(metadata) };
  const model = await loadModel(file, (message, fraction) => {
    onProgress(message, fraction * WEIGHTS_PROGRESS);
  }, { ...options.adapter, sharedLayers: options.sharedLayers, math: options.math });
  try {
    return await createRuntime(model, { ...options, profile }, onProgress);
  } catch (error) {
    model.gpu.close();
    throw error;
  }
}

/** Orders in which the device gives up blocks. */
const RETENTIONS = {
  adaptive,
  recency: leastRecentlyUsed,
  conversations: conversationsLast,
};

async function createRuntime(
  model: LoadedModel,
  options: Omit<LoadOptions, "profile"> & { profile: CodecProfile },
  onProgress: OnProgress,
): Promise<Runtime> {
  const { gpu, shape } = model;
  const draftRowCount = options.speculates ? DRAFT_ROW_COUNT : 0;
  const contextLength = checkedContextLength(options.contextLength, shape);
  const calibration = await resolveCalibration(model, options, onProgress);
  const codec = modelCodec(model, options.profile, calibration.inForce);
  const read = checkedReading(options, codec);
  const { plan, ...fit } = await servedCache(model, options, {
    ...{ codec, contextLength, ...cacheForReading(read) },
    ...{ windowBlockCount: windowBlocks(options.windowTokenCount), draftRowCount, read },
  });
  const policy = checkedPolicy(options, plan);
  const stepTokenCountMax = options.stepTokenCountMax ?? stepTokenCount(gpu);
  const host = options.hostSizeBytes > 0 ? hostTier(plan, options.hostSizeBytes) : null;
  const report = (message: string) => onProgress(message, WEIGHTS_PROGRESS);
  const tuning = await tuneModel(model, plan, { mode: options.tune, onProgress: report });
  const runner = await StepRunner.create(model, {
    cacheShape: plan.shape,
    codec: plan.codec,
    draftRowCount,
    read,
    ...(options.keep === null ? {} : { observedContextLength: contextLength }),
    ...(host ? { saveWordCountMax: host.saveWordCountMax } : {}),
  });
  const { fingerprint, content, root, format } = namesOf(model, plan, policy);
  const tiers = await openTiers(options, { format, root, fingerprint });
  const scheduler = new Scheduler({
    ...plan,
    sequenceCountMax: options.sequenceCountMax,
    waitingCountMax: options.waitingCountMax,
    layerCount: shape.layerCount,
    arenas: plan.shape.groups,
    packing: plan.codec,
    ...{ policy, retention: RETENTIONS[options.eviction], stepTokenCountMax },
    inFlightStepCountMax: UNREAD_COUNT_MAX + 1,
    blockCost: blockCost(shape, plan.shape),
    ...(options.sharesPrefixes ? { prefix: { root, ...rawTiles(plan.shape) } } : {}),
    ...(host ? { host } : {}),
    blockEvents: tiers.blockEvents,
    drafts: { rowCountMax: draftRowCount, ...rowCostOf(gpu.facts) },
  });
  report("compiling kernels");
  await warmUp(runner, plan);
  onProgress("compiling kernels", 1);
  const info = engineInfo(model, options, {
    contextLength,
    ...codecInForce(plan.codec, calibration.inForce),
    stepTokenCountMax,
    layerReaches: layerBytes(scheduler.stats(), plan.shape).map(({ reach }) => reach),
    ...bytesOf(plan, runner),
    ...fit,
    tuning,
  });
  return {
    gpu,
    info,
    driver: new StepDriver(scheduler, runner),
    ...tiers,
    measuredCalibration: calibration.measured,
    sequenceFormat: sequenceFormat(format, { fingerprint, content }),
    finalNorm: finalNorm(model),
    eosIds: options.eosIds,
    cacheBytes: () => cacheBytes(scheduler.stats(), plan),
    layerBytes: () => layerBytes(scheduler.stats(), plan.shape),
  };
}

/** What the cache takes on the device, and holds at least. */
function bytesOf(plan: CachePlan, { cache: { sizeBytes } }: StepRunner) {
  return {
    tokenBytes: tokenBytes(plan.shape),
    windowBytes: sizeBytes.window,
    tableBytes: plan.codec.tableWords * WORD_SIZE_BYTES,
    summaryBytes: sizeBytes.summaries,
    cacheCapacityBytes: sizeBytes.arena,
    blockCapacity: blockCapacity(plan),
  };
}

/** How blocks lie in files, but for what names them. */
function formatOf(
  { codec, shape: { stores } }: CachePlan,
  { shape, plan, weights }: LoadedModel,
): Omit<BlockFormat, "root"> {
  const { turns } = new RopeTables(plan, weights.ropeFactors);
  const layers = stores.map(({ layer }) => layer);
  const cold = { layers, tables: codec.tables, turns };
  return { ...shape, profile: codec.profile, cold };
}

function sequenceFormat(
  format: Omit<BlockFormat, "root">,
  { fingerprint, content }: { fingerprint: string; content: string },
): SequenceFormat {
  const root = rootName([String(STORE_VERSION), fingerprint, content]);
  return { ...format, root, fingerprint, codecName: content };
}

/** What names of blocks follow from, and how blocks lie in files. */
function namesOf(model: LoadedModel, plan: CachePlan, policy: SealPolicy) {
  const { gpu, file } = model;
  const fingerprint = modelFingerprint(file);
  const content = contentName(plan, policy, model);
  const root = prefixRoot(gpu.facts, fingerprint, content);
  return { fingerprint, content, root, format: formatOf(plan, model) };
}

async function openTiers(
  { disk, store, reportsBlocks }: Pick<LoadOptions, "disk" | "store" | "reportsBlocks">,
  named: { format: Omit<BlockFormat, "root">; root: string; fingerprint: string },
): Promise<Pick<Runtime, "disk" | "store" | "blockEvents">> {
  const { root, fingerprint } = named;
  const format = { ...named.format, root: rootName([root]) };
  const blockEvents = reportsBlocks ? new BlockEventLog() : null;
  const keyPrefix = `packkv:${STORE_VERSION}:${fingerprint}:${format.profile.name}:`;
  const folder = disk && { folder: disk.folder, capacityBytes: disk.sizeBytes, format };
  const shared = store && { ...store, format, keyPrefix };
  return {
    disk: folder && await TierClient.open(folder, blockEvents?.watcher("disk")),
    store: shared && await TierClient.open(shared, blockEvents?.watcher("store")),
    blockEvents,
  };
}

type Derived =
  | "contextLength"
  | "profile"
  | "codec"
  | "stepTokenCountMax"
  | "layerReaches"
  | "tokenBytes"
  | "windowBytes"
  | "tableBytes"
  | "summaryBytes"
  | "cacheCapacityBytes"
  | "cacheWantedBytes"
  | "heldContext"
  | "tuning"
  | "blockCapacity";

function engineInfo(
  model: LoadedModel,
  options: Omit<LoadOptions, "profile">,
  derived: Pick<EngineInfo, Derived>,
): EngineInfo {
  const { gpu, shape, file, weights } = model;
  return {
    modelName: modelFileName(file.path),
    modelPath: file.path,
    modelSizeBytes: file.sizeBytes,
    parameterCount: shape.parameterCount,
    vocabSize: shape.vocabSize,
    contextLengthTrained: shape.contextLengthTrained,
    adapter: gpu.facts.name,
    adapterIsFallback: gpu.facts.isFallback,
    webgpu: gpu.facts.webgpu,
    sequenceCountMax: options.sequenceCountMax,
    waitingCountMax: options.waitingCountMax,
    windowTokenCount: options.windowTokenCount,
    sharesPrefixes: options.sharesPrefixes,
    speculates: options.speculates,
    keep: options.keep,
    read: options.read,
    math: productMath(options.math, model.weights),
    sharedLayers: options.sharedLayers,
    hostCapacityBytes: options.hostSizeBytes,
    diskFolder: options.disk?.folder ?? null,
    storeAddress: options.store && addressOf(options.store.url),
    diskCapacityBytes: options.disk?.sizeBytes ?? 0,
    weightBytes: weights.sizeBytes,
    embeddingWidth: shape.width,
    pooling: poolingOf(file),
    ...derived,
  };
}

function finalNorm({ file, plan }: LoadedModel): FinalNorm {
  return { weights: tensorValues(file, plan.head.norm), epsilon: plan.normEpsilon };
}

/** How the file says that vectors of texts are pooled, by llama.cpp's numbers. */
function poolingOf({ metadata }: GgufFile): EngineInfo["pooling"] {
  const architecture = metadata.getString("general.architecture");
  const number = metadata.getNumber(`${architecture}.pooling_type`, 0);
  return number === 1 ? "mean" : number === 3 ? "last" : null;
}

function checkedPolicy(
  options: Pick<LoadOptions, "sealPolicy" | "keep">,
  plan: CachePlan,
): SealPolicy {
  const policy = sealPolicy(options.sealPolicy);
  if (options.keep !== null) checkedKeep(options.keep, { ...plan, policy });
  return policy;
}

function stepTokenCount({ facts }: Gpu): number {
  return facts.isFallback ? STEP_TOKEN_COUNT_ON_CPU : STEP_TOKEN_COUNT_DEFAULT;
}

/** A step copies one block's raw tiles or several packed blocks, within a few megabytes. */
function hostTier({ shape }: CachePlan, capacityBytes: number) {
  const tilesWordCount = shape.stores.reduce((sum, { tileWords }) => sum + tileWords, 0);
  return {
    capacityBytes,
    saveWordCountMax: Math.max(tilesWordCount, SAVE_SIZE_BYTES_MIN / WORD_SIZE_BYTES),
  };
}

/** What attending to one block costs a token, in shares of its matrix products. */
function blockCost(shape: ModelShape, { stores, storeOf }: CacheShape): number {
  const { parameterCount, vocabSize, width, queryHeadCount, headSize } = shape;
  const embeddingCount = vocabSize * width * (shape.tiedOutput ? 1 : 2);
  const matrixOperationCount = 2 * Math.max(1, parameterCount - embeddingCount);
  // What layers that see a window read does not grow.
  const layerCount = storeOf.filter((store) => store !== null && keepsAll(stores[store])).length;
  const perToken = 2 * 2 * queryHeadCount * headSize * layerCount;
  return ATTENTION_COST * BLOCK_TOKEN_COUNT * perToken / matrixOperationCount;
}

function checkedContextLength(asked: number | null, shape: ModelShape): number {
  const { contextLengthTrained } = shape;
  const contextLengthMax = Math.min(contextLengthTrained, CONTEXT_LENGTH_MAX);
  const contextLength = asked ?? contextLengthTrained;
  const fits = contextLength >= 1 && contextLength <= contextLengthMax;
  if (Number.isInteger(contextLength) && fits) return contextLength;
  const code: EngineErrorCode = "invalid_request";
  throw new EngineError(
    code,
    `Cannot serve a context of ${contextLength} tokens` +
      (asked === null ? ", as the model file says" : "") + `: wanted 1 to ${contextLengthMax}` +
      (contextLengthMax < contextLengthTrained
        ? "; give a length with --ctx"
        : ", the length the model was trained for"),
    { param: "contextLength" },
  );
}

/** A store's URL without user and password. */
function addressOf(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}
