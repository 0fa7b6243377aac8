/**
 * Prompts that are read through one cache, of which a method keeps less, and known tokens that
 * follow them one at a time, as in an answer. Prompts that begin alike share their blocks, so that
 * many questions about one document read it once.
 *
 * @module
 */

import { GREEDY } from "../core/sampling.ts";
import { invariant } from "../core/errors.ts";
import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Calibration } from "../calibration/calibration.ts";
import { rawTiles } from "../kvcache/cache_shape.ts";
import { keepsAll } from "../kvcache/store.ts";
import { cacheBytes } from "./cache_bytes.ts";
import { type CachePlan, checkedProfile, planCache } from "./cache_plan.ts";
import { checkedKeep } from "./keep_options.ts";
import type { LoadedModel } from "./load_model.ts";
import { modelCodec } from "./model_codec.ts";
import { StepDriver } from "./step_driver.ts";
import { StepRunner } from "./step_runner.ts";
import type { CacheBytes, ProfileOptions } from "./types.ts";
import { Scheduler } from "../scheduler/scheduler.ts";
import type { StepPlan } from "../scheduler/step_plan.ts";

/** What a prompt takes once it is read and what its method drops is gone. */
export interface PromptSize {
  bytes: CacheBytes;
  /** Tokens whose records are there, mean over the stores that keep all. */
  sealedTokens: number;
}

/** What a prompt took, and the tokens behind it. */
export interface PromptRun extends PromptSize {
  /** Milliseconds of each step that decoded a token. */
  decodeMs: readonly number[];
}

/** Reads prompts one after the other. */
export class PromptRuns {
  readonly #plan: CachePlan;
  readonly #driver: StepDriver;
  #nextId = 1;

  private constructor(plan: CachePlan, driver: StepDriver) {
    this.#plan = plan;
    this.#driver = driver;
  }

  /** Makes a cache for prompts with what follows them of up to `contextLength` tokens. */
  static async create(
    model: LoadedModel,
    { profile, calibration, contextLength }: {
      profile: ProfileOptions;
      calibration?: Calibration | null;
      contextLength: number;
    },
  ): Promise<PromptRuns> {
    const codec = modelCodec(model, checkedProfile(profile), calibration ?? null);
    // Room for a prompt's own blocks beside those it shares with the next.
    const plan = planCache(model, { codec, slotCount: 2, contextLength });
    const runner = await StepRunner.create(model, {
      cacheShape: plan.shape,
      codec,
      observedContextLength: contextLength,
    });
    await runner.graph.enableSliceLogits();
    const scheduler = new Scheduler({
      ...plan,
      packing: codec,
      sequenceCountMax: 1,
      waitingCountMax: 1,
      layerCount: plan.shape.storeOf.length,
      arenas: plan.shape.groups,
      prefix: { root: "measured", ...rawTiles(plan.shape) },
    });
    runner.setSampling(0, GREEDY);
    return new PromptRuns(plan, new StepDriver(scheduler, runner));
  }

  /**
   * Reads a prompt, lets the method drop what it does, and feeds what follows.
   *
   * @param options `keep`: the method's text; null keeps everything. `onLogits`: gets f32
   * `[vocabSize]` for each of `followIds`, before it is fed. The first comes from the whole prompt.
   * `onRead`: gets the share of the prompt that is read, 0 to 1, after each of its slices.
   */
  async follow(
    promptIds: readonly number[],
    followIds: readonly number[],
    { keep, onLogits, onRead = () => {} }: {
      keep: string | null;
      onLogits: (index: number, logits: Float32Array) => void;
      onRead?: (share: number) => void;
    },
  ): Promise<PromptRun> {
    const { scheduler, runner } = this.#driver;
    const sequenceId = this.#nextId++;
    const method = keep === null ? null : checkedKeep(keep, this.#plan);
    const request = { sequenceId, promptIds, maxTokens: followIds.length, keep: method };
    scheduler.admit({ ...request, eosIds: [], ignoreEos: true });
    let fedCount = 0;
    let size: PromptSize | null = null;
    const decodeMs: number[] = [];
    while (fedCount < followIds.length) {
      const ran = await this.#driver.step(async (plan) => {
        if (plan.decodes.length > 0) size ??= this.#size();
        const start = performance.now();
        const outcome = await runner.run(forced(plan, followIds[fedCount - 1]), {
          wantsLogits: plan.slice?.isLast ?? false,
        });
        if (plan.decodes.length > 0) decodeMs.push(performance.now() - start);
        // The scheduler goes on with what follows in the text, whatever was sampled.
        const ids = new Map(samples(plan) ? [[sequenceId, followIds[fedCount]]] : []);
        return { ...outcome, ids };
      });
      invariant(ran !== null, "the sequence has not ended");
      const { slice } = ran.plan;
      if (slice) onRead((slice.position + slice.ids.length) / promptIds.length);
      if (samples(ran.plan)) onLogits(fedCount++, await this.#logitsOf(ran.plan));
      scheduler.drainEvents();
    }
    // What was encoded for it is committed: the sequence has ended.
    while (await this.#driver.step((plan) => runner.run(plan)) !== null) scheduler.drainEvents();
    return { ...size ?? this.#size(), decodeMs };
  }

  /** Device bytes of the raw window of a sequence, and of the codec's tables. */
  get besideBytes(): { window: number; tables: number } {
    const { cache } = this.#driver.runner;
    return {
      window: cache.sizeBytes.window / cache.shape.slotCount,
      tables: this.#plan.codec.tableWords * WORD_SIZE_BYTES,
    };
  }

  /** Frees the cache; the model stays. */
  destroy(): void {
    this.#driver.runner.destroy();
  }

  async #logitsOf({ slice }: StepPlan): Promise<Float32Array> {
    const { graph } = this.#driver.runner;
    const rows = slice === null
      ? await graph.readDecodeLogits(1)
      : await graph.readSliceLogits(slice.ids.length);
    return rows[rows.length - 1];
  }

  #size(): PromptSize {
    const stats = this.#driver.scheduler.stats();
    const { stores } = this.#plan.shape;
    const tokens = stats.packedStoreTokens.filter((_, store) => keepsAll(stores[store]));
    return {
      bytes: cacheBytes(stats, this.#plan),
      sealedTokens: tokens.reduce((sum, count) => sum + count, 0) / tokens.length,
    };
  }
}

/** Whether a step samples a token of its sequence. */
function samples({ slice, decodes }: StepPlan): boolean {
  return decodes.length > 0 || (slice?.isLast ?? false);
}

function forced(plan: StepPlan, knownId: number): StepPlan {
  return { ...plan, decodes: plan.decodes.map((row) => ({ ...row, knownId })) };
}
