/**
 * Measures a model's calibration: a text, and its beginning twice, are read through an exact cache,
 * a layer at a time, with queries, keys and values read back after each.
 *
 * @module
 */

import { createHash } from "node:crypto";
import {
  type Calibration,
  parseCalibration,
  serialiseCalibration,
} from "../calibration/calibration.ts";
import { LayerRecall, RECALL_PERIOD_MAX } from "../calibration/recall.ts";
import type { SliceSample } from "../calibration/samples.ts";
import { LayerStatistics, neutralStatistics } from "../calibration/statistics.ts";
import { KEY, VALUE } from "../codec/record.ts";
import { rawTileValues } from "../codec/raw_tile.ts";
import { createCodec } from "../codec/profile.ts";
import { EngineError, invariant } from "../core/errors.ts";
import {
  alignUp,
  BLOCK_TOKEN_COUNT,
  haveSameKeys,
  tileOf,
  WORD_SIZE_BYTES,
} from "../core/shapes.ts";
import { readBuffer } from "../gpu/read_back.ts";
import type { PrefillSlice, StepPlan, StepResult } from "../scheduler/step_plan.ts";
import { calibrationOwner } from "./fingerprint.ts";
import { type CachePlan, planCache } from "./cache_plan.ts";
import type { LoadedModel, OnProgress } from "./load_model.ts";
import { soleSequence } from "./step_driver.ts";
import { StepRunner } from "./step_runner.ts";

/** Most tokens of the text that are run. */
export const CALIBRATION_TOKEN_COUNT = 4096;
/** Fewest tokens that give a usable calibration. */
export const CALIBRATION_TOKEN_COUNT_MIN = 128;

/**
 * Runs the text and gathers its statistics; `damage` of the layers is null.
 *
 * @param ids Tokens of the text; the first {@link CALIBRATION_TOKEN_COUNT} are run, and no more
 * than the model was trained for.
 * @throws {EngineError} `invalid_request` if they are too few.
 */
export async function measureCalibration(
  model: LoadedModel,
  ids: readonly number[],
  onProgress: OnProgress,
): Promise<Calibration> {
  const { shape, plan: { layers: planned } } = model;
  const tokenCount = Math.min(ids.length, CALIBRATION_TOKEN_COUNT, shape.contextLengthTrained);
  if (tokenCount < CALIBRATION_TOKEN_COUNT_MIN) {
    throw new EngineError(
      "invalid_request",
      `Cannot calibrate on ${tokenCount} tokens: wanted at least ${CALIBRATION_TOKEN_COUNT_MIN}`,
    );
  }
  const promptIds = ids.slice(0, tokenCount);
  // A layer with other heads is never sealed.
  const isMeasured = planned.map(({ attention }) => haveSameKeys(attention.headShape, shape));
  const layers = planned.map(() => new LayerStatistics(shape));
  const period = Math.min(RECALL_PERIOD_MAX, Math.floor(tokenCount / 2));
  const twice = [...promptIds.slice(0, period), ...promptIds.slice(0, period)];
  const recalls = layers.map(() => new LayerRecall(shape, period));
  const contextLength = alignUp(tokenCount + 1, BLOCK_TOKEN_COUNT);
  const codec = createCodec(shape, { name: "exact" }, null);
  const plan = planCache(model, { codec, slotCount: 1, contextLength });
  const runner = await StepRunner.create(model, { cacheShape: plan.shape, codec });
  try {
    await runText({ model, runner, plan }, promptIds, {
      onSample: (layer, sample) => isMeasured[layer] && layers[layer].add(sample),
      onProgress: (fraction) => onProgress("measuring query energies", fraction),
    });
    await runText({ model, runner, plan }, twice, {
      onSample: (layer, sample) => isMeasured[layer] && recalls[layer].add(sample),
      onProgress: (fraction) => onProgress("measuring recall", fraction),
    });
  } finally {
    runner.destroy();
  }
  const owner = calibrationOwner(model);
  const measured = serialiseCalibration({
    modelFingerprint: owner.modelFingerprint,
    textFingerprint: textFingerprint(promptIds),
    tokenCount,
    layers: layers.map((layer, index) => {
      const statistics = isMeasured[index] ? layer.finish() : neutralStatistics(shape);
      return { ...statistics, recall: recalls[index].finish() };
    }),
  });
  // As read back from its file: measuring and reading must give the same tables.
  return parseCalibration(measured, { ...owner, path: "just measured" });
}

/**
 * Reads a text through an exact cache of its own, a layer at a time.
 *
 * @param on `onSample` gets the queries, keys and values of each slice and layer.
 */
export async function sampleText(
  model: LoadedModel,
  ids: readonly number[],
  on: { onSample: OnSample; onProgress: (fraction: number) => void },
): Promise<void> {
  const contextLength = alignUp(ids.length + 1, BLOCK_TOKEN_COUNT);
  const codec = createCodec(model.shape, { name: "exact" }, null);
  const plan = planCache(model, { codec, slotCount: 1, contextLength });
  const runner = await StepRunner.create(model, { cacheShape: plan.shape, codec });
  try {
    await runText({ model, runner, plan }, ids, on);
  } finally {
    runner.destroy();
  }
}

/** Reads a text through an exact cache; `onSample` gets each slice's sample of each layer. */
async function runText(
  run: Run,
  promptIds: readonly number[],
  { onSample, onProgress }: { onSample: OnSample; onProgress: (fraction: number) => void },
): Promise<void> {
  const { runner, plan } = run;
  const tokenCount = promptIds.length;
  const driver = soleSequence(runner, plan, { sequenceId: 0, promptIds, maxTokens: 1 });
  const runLayers = (step: StepPlan) => runByLayer(run, step, onSample);
  for (let ran = await driver.step(runLayers); ran; ran = await driver.step(runLayers)) {
    driver.scheduler.drainEvents();
    onProgress((ran.plan.slice?.position ?? tokenCount) / tokenCount);
  }
}

/** What stands for a text: a hash of its tokens. */
export function textFingerprint(ids: readonly number[]): string {
  const bytes = new Uint8Array(Uint32Array.from(ids).buffer);
  return createHash("sha256").update(bytes).digest("hex").slice(0, 32);
}

interface Run {
  model: LoadedModel;
  runner: StepRunner;
  plan: CachePlan;
}

/** Takes what a slice and layer gave. */
export type OnSample = (layer: number, sample: SliceSample) => unknown;

/** Runs a step layer by layer, so that each layer's queries can be read before the next. */
async function runByLayer(run: Run, step: StepPlan, onSample: OnSample): Promise<StepResult> {
  const { model: { shape: { layerCount } }, runner } = run;
  const { slice } = step;
  invariant(slice !== null, "a prompt alone is read in slices");
  let result = null;
  for (let layer = 0; layer < layerCount; layer++) {
    const part = layerPart(step, slice, { layer, layerCount });
    result = await runner.run(part);
    onSample(layer, await readSample(run, slice, layer));
  }
  invariant(result !== null, "a model has a layer");
  return result;
}

function layerPart(
  step: StepPlan,
  slice: PrefillSlice,
  { layer, layerCount }: { layer: number; layerCount: number },
): StepPlan {
  const isFirst = layer === 0;
  const isComplete = layer === layerCount - 1;
  return {
    ...step,
    packs: isFirst ? step.packs : [],
    links: isFirst ? step.links : [],
    restores: isFirst ? step.restores : [],
    slice: {
      ...slice,
      layers: { first: layer, end: layer + 1 },
      isComplete,
      isLast: isComplete && slice.isLast,
    },
    keeps: isComplete ? step.keeps : [],
    measures: isComplete ? step.measures : [],
  };
}

async function readSample(
  { model, runner }: Run,
  slice: PrefillSlice,
  layer: number,
): Promise<SliceSample> {
  const { gpu, plan } = model;
  const { headShape, latent } = plan.layers[layer].attention;
  const { queryHeadCount, kvHeadCount, headSize } = headShape;
  const { position, ids: { length: rowCount } } = slice;
  const channelCount = latent === null ? headSize : 2 * headSize;
  const queryBytes = rowCount * queryHeadCount * channelCount * WORD_SIZE_BYTES;
  const read = await readBuffer(gpu, runner.graph.sliceQueries, { sizeBytes: queryBytes });
  const queries = firstChannels(new Float32Array(read), { channelCount, count: headSize });
  const { cache } = runner;
  const { tileWords } = cache.shape.stores[cache.storeOf(layer)];
  const sizeBytes = tileWords * WORD_SIZE_BYTES;
  const block = Math.floor(position / BLOCK_TOKEN_COUNT);
  const tileIndex = tileOf(block, cache.tileCountOf(layer));
  const range = { offsetBytes: tileIndex * sizeBytes, sizeBytes };
  const tile = new Uint32Array(await readBuffer(gpu, cache.windowOf(layer), range));
  const from = (position % BLOCK_TOKEN_COUNT) * kvHeadCount * headSize;
  const rows = (side: 0 | 1) => rawTileValues(headShape, tile, side).subarray(from);
  return {
    position,
    rowCount,
    queries,
    keys: rows(KEY),
    values: rows(VALUE),
  };
}

/** Of each head's channels the first: of a latent's those that meet what is kept as its key. */
function firstChannels(
  heads: Float32Array,
  { channelCount, count }: { channelCount: number; count: number },
): Float32Array {
  if (channelCount === count) return heads;
  return heads.filter((_, i) => i % channelCount < count);
}
