/** A runner and scheduler stepped by hand, with a look at what lies in the cache's buffers. */

import type { Calibration } from "../../src/calibration/calibration.ts";
import type { AnyCodec } from "../../src/codec/registry.ts";
import { codecProfile, needsCalibration } from "../../src/codec/profile.ts";
import { measureCalibration } from "../../src/runtime/calibration_run.ts";
import { planCache } from "../../src/runtime/cache_plan.ts";
import { type LoadedModel, loadModel } from "../../src/runtime/load_model.ts";
import { cacheForReading, checkedRead } from "../../src/runtime/read_method.ts";
import { modelCodec } from "../../src/runtime/model_codec.ts";
import { StepRunner } from "../../src/runtime/step_runner.ts";
import type { ProfileOptions } from "../../src/engine/types.ts";
import { ENTRY_WORDS, type ListEntry, readEntry } from "../../src/core/row.ts";
import type { LayerKeeps } from "../../src/kvcache/cache_shape.ts";
import { GREEDY } from "../../src/core/sampling.ts";
import { windowTile } from "../../src/core/shapes.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import type { AdapterFacts } from "../../src/gpu/gpu.ts";
import { readBuffer } from "../../src/gpu/read_back.ts";
import type { KeepMethod } from "../../src/scheduler/keep/method.ts";
import { Scheduler } from "../../src/scheduler/scheduler.ts";
import type { MeasureOp, PackOp, StepPlan, StepResult } from "../../src/scheduler/step_plan.ts";

/** One step that was run. */
export interface RanStep {
  plan: StepPlan;
  result: StepResult;
}

/** How to make a cache. */
export interface HarnessOptions {
  profile: ProfileOptions;
  slotCount: number;
  contextLength: number;
  layerKeeps?: readonly LayerKeeps[];
  submitMsMax?: number;
  /** Whether less may be kept of prompts. */
  observes?: boolean;
  /** What decode rows read; everything if left out. */
  read?: string;
}

/** What steps of one cache need. */
export class StepHarness {
  readonly model: LoadedModel;
  readonly codec: AnyCodec;
  readonly runner: StepRunner;
  readonly scheduler: Scheduler;

  private constructor(
    parts: Pick<StepHarness, "model" | "codec" | "runner" | "scheduler">,
  ) {
    this.model = parts.model;
    this.codec = parts.codec;
    this.runner = parts.runner;
    this.scheduler = parts.scheduler;
  }

  /**
   * Loads a model file, which {@link close} unloads, and makes a cache on it.
   *
   * @param options `facts`: what the device is taken for.
   */
  static async open(
    path: string,
    options: HarnessOptions & { facts?: Partial<AdapterFacts> },
  ): Promise<StepHarness> {
    const model = await loadModel(await readGguf(path), () => {});
    Object.assign(model.gpu.facts, options.facts);
    return await StepHarness.on(model, options);
  }

  /** Makes a cache for `slotCount` sequences of `contextLength` tokens on a model. */
  static async on(model: LoadedModel, options: HarnessOptions): Promise<StepHarness> {
    const { slotCount, contextLength, layerKeeps } = options;
    const profile = codecProfile(options.profile);
    const calibration = needsCalibration(profile) ? await testCalibration(model) : null;
    const codec = modelCodec(model, profile, calibration);
    const read = options.read === undefined ? null : checkedRead(options.read);
    const plan = planCache(model, {
      codec,
      ...cacheForReading(read),
      slotCount,
      contextLength,
      ...(layerKeeps ? { layerKeeps } : {}),
    });
    const runner = await StepRunner.create(model, {
      cacheShape: plan.shape,
      codec,
      read,
      ...(options.submitMsMax === undefined ? {} : { submitMsMax: options.submitMsMax }),
      ...(options.observes ? { observedContextLength: contextLength } : {}),
    });
    const scheduler = new Scheduler({
      ...plan,
      packing: codec,
      sequenceCountMax: options.slotCount,
      waitingCountMax: 16,
      contextLength: options.contextLength,
      layerCount: model.shape.layerCount,
      arenas: plan.shape.groups,
    });
    return new StepHarness({ model, codec, runner, scheduler });
  }

  /** Queues a greedy sequence. */
  admit(
    sequenceId: number,
    promptIds: readonly number[],
    maxTokens: number,
    keep: KeepMethod | null = null,
  ): void {
    const request = { sequenceId, promptIds, maxTokens, eosIds: [], ignoreEos: true, keep };
    this.scheduler.admit(request);
  }

  /** Plans and runs one step; null if nothing is left to do. */
  async step(): Promise<RanStep | null> {
    const plan = this.scheduler.plan();
    if (plan === null) return null;
    for (const { slot } of plan.starts) this.runner.setSampling(slot, GREEDY);
    const result = await this.runner.run(plan);
    this.scheduler.commit(plan, result);
    return { plan, result };
  }

  /** Words of the raw tile of a block that the last step measured; the next may overwrite it. */
  async tileWords(measure: MeasureOp, layer: number): Promise<Uint32Array> {
    const { cache } = this.runner;
    const { tileWords } = cache.shape;
    const tile = windowTile(measure.slot, measure.blockIndex, cache.windowTileCount);
    return await this.#read(cache.windowOf(layer), tile * tileWords, tileWords);
  }

  /** Words of the record of `pack` in the arena. */
  async recordWords(pack: PackOp, layer: number, wordCount: number): Promise<Uint32Array> {
    const arena = this.runner.cache.arenaOf(layer);
    return await this.#read(arena, pack.recordOffsets[layer], wordCount);
  }

  /** What the read list of a slot says of a block on the device. */
  async directoryEntry(pack: PackOp, layer: number): Promise<ListEntry> {
    const { buffer, offset = 0 } = this.runner.cache.directoryOf(layer);
    const entry = pack.slot * this.runner.cache.shape.blockCountMax + pack.listIndex;
    const words = await this.#read(buffer, offset / 4 + entry * ENTRY_WORDS, ENTRY_WORDS);
    return readEntry(words, 0);
  }

  /** What is kept of the keys of a block, f16 pairs `[kvHeadCount * headSize]`. */
  async summary(pack: PackOp, store: number): Promise<Uint32Array> {
    const { cache } = this.runner;
    const { blockCountMax, kvHeadCount, headSize } = cache.shape;
    const width = kvHeadCount * headSize;
    const entry = pack.slot * blockCountMax + pack.listIndex;
    return await this.#read(cache.summaries[store]!, entry * width, width);
  }

  /** Frees the cache and the device. */
  close(): void {
    this.runner.destroy();
    this.model.gpu.close();
  }

  async #read(buffer: GPUBuffer, startWord: number, wordCount: number): Promise<Uint32Array> {
    const range = { offsetBytes: startWord * 4, sizeBytes: wordCount * 4 };
    return new Uint32Array(await readBuffer(this.model.gpu, buffer, range));
  }
}

/** Loads a model for all of `body`: what several caches need on it is compiled once. */
export async function withLoadedModel(
  path: string,
  body: (model: LoadedModel) => Promise<void>,
): Promise<void> {
  const model = await loadModel(await readGguf(path), () => {});
  try {
    await body(model);
  } finally {
    model.gpu.close();
  }
}

/** By model, as measuring takes longer than what is tested with it. */
const calibrations = new WeakMap<LoadedModel, Calibration>();

/** A calibration on made-up tokens, the same each time. */
export async function testCalibration(model: LoadedModel): Promise<Calibration> {
  const before = calibrations.get(model);
  if (before !== undefined) return before;
  const { vocabSize } = model.shape;
  const ids = Array.from({ length: 320 }, (_, i) => (i * i * 31 + i * 7) % vocabSize);
  const measured = await measureCalibration(model, ids, () => {});
  calibrations.set(model, measured);
  return measured;
}
