/**
 * One sequence stepped by hand in a cache of its own, with the logits of every position: for
 * measurement, not for serving. It uses the scheduler and runner that serving uses.
 *
 * @module
 */

import { describeProfile } from "../codec/profile.ts";
import { invariant } from "../core/errors.ts";
import { alignUp, BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import { Scheduler } from "../scheduler/scheduler.ts";
import { cacheBytes } from "./cache_bytes.ts";
import { type CachePlan, checkedProfile, planCache } from "./load.ts";
import type { LoadedModel } from "./load_model.ts";
import { StepRunner } from "./step_runner.ts";
import type { CacheBytes, ProfileOptions } from "./types.ts";

const SEQUENCE_ID = 1;

/** What to run. */
export interface SequenceRunOptions {
  profile: ProfileOptions;
  promptIds: readonly number[];
  /** Tokens to generate greedily after the prompt; 1 if left out. */
  maxTokens?: number;
}

/** Makes a cache for one sequence and queues its prompt. */
export async function createSequenceRun(
  model: LoadedModel,
  options: SequenceRunOptions,
): Promise<SequenceRun> {
  const { promptIds, maxTokens = 1 } = options;
  const profile = checkedProfile(options.profile);
  const contextLength = alignUp(promptIds.length + maxTokens, BLOCK_TOKEN_COUNT);
  const plan = planCache(model, { profile, slotCount: 1, contextLength });
  const runner = await StepRunner.create(model, { cacheShape: plan.shape, profile });
  const scheduler = new Scheduler({
    sequenceCountMax: 1,
    waitingCountMax: 1,
    contextLength,
    arenas: plan.shape.groups,
    recordWordsMin: plan.recordWordsMin,
    recordWordsMax: plan.recordWordsMax,
  });
  const eosIds: number[] = [];
  scheduler.admit({ sequenceId: SEQUENCE_ID, promptIds, maxTokens, eosIds, ignoreEos: true });
  await runner.graph.enableSliceLogits();
  return new SequenceRun({ plan, runner, scheduler });
}

/** See {@link createSequenceRun}. */
export class SequenceRun {
  #plan: CachePlan;
  #runner: StepRunner;
  #scheduler: Scheduler;
  #bytes: CacheBytes = { raw: 0, payload: 0, packed: 0, allocated: 0 };
  #hasSampling = false;

  constructor(parts: { plan: CachePlan; runner: StepRunner; scheduler: Scheduler }) {
    this.#plan = parts.plan;
    this.#runner = parts.runner;
    this.#scheduler = parts.scheduler;
  }

  /** The profile with its settings in words. */
  get profileText(): string {
    return describeProfile(this.#plan.profile);
  }

  /** Prefills the next slice; logits f32 `[vocabSize]` of each of its rows if wanted. */
  async nextSlice(options: { wantsLogits: boolean }): Promise<Float32Array[]> {
    const { rowCount } = await this.#step(options);
    return options.wantsLogits ? await this.#runner.graph.readSliceLogits(rowCount) : [];
  }

  /** Decodes one token greedily; the id sampled and the logits f32 `[vocabSize]` it came from. */
  async nextToken(): Promise<{ id: number; logits: Float32Array }> {
    const { id } = await this.#step({ wantsLogits: false });
    const [logits] = await this.#runner.graph.readDecodeLogits(1);
    return { id, logits };
  }

  /** Largest byte counts of sealed blocks so far. */
  cacheBytes(): CacheBytes {
    return this.#bytes;
  }

  /** Bits per element of the sealed blocks, by side, with all side data. */
  bitsPerElement(): { k: number; v: number } {
    return this.#runner.sealer.bitsPerElement();
  }

  /** Frees the cache; the model stays. */
  destroy(): void {
    this.#runner.destroy();
  }

  async #step(options: { wantsLogits: boolean }): Promise<{ rowCount: number; id: number }> {
    const plan = this.#scheduler.plan();
    invariant(plan !== null, "the sequence has not ended");
    if (!this.#hasSampling) {
      const sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 };
      this.#runner.setSampling(0, sampling);
      this.#hasSampling = true;
    }
    const recorded = this.#runner.record(plan, options);
    this.#runner.submit(recorded);
    const result = await this.#runner.read(plan, recorded);
    const bytes = cacheBytes(this.#scheduler.stats(), this.#plan);
    if (bytes.packed > this.#bytes.packed) this.#bytes = bytes;
    this.#scheduler.commit(plan, result);
    this.#scheduler.drainEvents();
    return { rowCount: plan.slice?.ids.length ?? 0, id: result.ids.get(SEQUENCE_ID) ?? -1 };
  }
}
