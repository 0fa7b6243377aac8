/**
 * One sequence stepped by hand in a cache of its own, with the logits of every position: for
 * measurement, not for serving. It uses the scheduler and runner that serving uses.
 *
 * @module
 */

import type { Calibration } from "../calibration/calibration.ts";
import { invariant } from "../core/errors.ts";
import {
  alignUp,
  BLOCK_TOKEN_COUNT,
  WINDOW_TOKEN_COUNT,
  windowBlocks,
  windowTile,
  WORD_SIZE_BYTES,
} from "../core/shapes.ts";
import { readBuffer } from "../gpu/read_back.ts";
import { windowSizeBytes } from "../kvcache/cache_shape.ts";
import { isNear, keepsAll } from "../kvcache/store.ts";
import { cacheBytes, storeTokenBytes } from "./cache_bytes.ts";
import { type CachePlan, checkedProfile, planCache } from "./cache_plan.ts";
import type { LoadedModel } from "./load_model.ts";
import { modelCodec } from "./model_codec.ts";
import { cacheForReading } from "./read_method.ts";
import { checkedKeep } from "./keep_options.ts";
import type { HostValues } from "../kvcache/host_values.ts";
import { ChosenSets } from "../kvcache/chosen_sets.ts";
import type { ReadCounts, ReadMethod } from "../kvcache/reading.ts";
import { KEEP_ALL } from "../scheduler/seal_policies/keep_all.ts";
import type { SchedulerStats } from "../scheduler/events.ts";
import type { SealPolicy } from "../scheduler/seal_policies/policy.ts";
import { EMPTY_STEP, type PackOp, type PrefillSlice } from "../scheduler/step_plan.ts";
import { soleSequence, type StepDriver } from "./step_driver.ts";
import { StepRunner } from "./step_runner.ts";
import type { CacheBytes, ProfileOptions } from "./types.ts";

export type { ChosenSets };

const SEQUENCE_ID = 1;

/**
 * Changes a raw tile of one layer, FORMAT.md section 5, right before it is sealed as a block: what
 * it leaves is what the model reads from then on.
 */
export type TileRewriter = (
  tile: Uint32Array,
  at: { layer: number; blockIndex: number },
) => void;

/** What to run. */
export interface SequenceRunOptions {
  profile: ProfileOptions;
  promptIds: readonly number[];
  /** Tokens to generate greedily after the prompt; 1 if left out. */
  maxTokens?: number;
  /**
   * Another codec in the place of sealing, to measure what it would do to the model; profile
   * `exact` only. Each block is read back for it, so that steps which seal take much longer.
   */
  rewriteTile?: TileRewriter;
  /** Newest tokens that stay raw, a multiple of 64; 128 if left out. */
  windowTokenCount?: number;
  /** What is kept when it leaves the window; all if left out. */
  policy?: SealPolicy;
  /** What stays of the prompt, e.g. `chunkkv:ratio=0.5`; all if left out. */
  keep?: string;
  /** What decode rows read of it; everything if null or left out. */
  read?: ReadMethod | null;
  /** Tokens that {@link SequenceRun.decodeRows} feeds at most; 1 if left out. */
  decodeRowCount?: number;
  /** The model's; calibrated profiles need it. */
  calibration?: Calibration | null;
  /** Device bytes for sealed blocks; what the sequence can ever need if left out. */
  arenaSizeBytes?: number;
}

/** What layers that see a window hold of it sealed. */
export interface NearBytes {
  /** Tokens of the window. */
  reach: number;
  /** Bytes of a token as f16, in all of these layers. */
  tokenBytes: number;
  /** Bytes of the blocks, and of their tokens as f16. */
  packed: number;
  raw: number;
}

interface SideBits {
  total: { k: number; v: number };
  payload: { k: number; v: number };
}

/** Bytes of one side of the sealed blocks. */
export interface SideBytes {
  raw: number;
  payload: number;
  packed: number;
}

/** Makes a cache for one sequence and queues its prompt. */
export async function createSequenceRun(
  model: LoadedModel,
  options: SequenceRunOptions,
): Promise<SequenceRun> {
  const { promptIds, maxTokens = 1, rewriteTile } = options;
  const profile = checkedProfile(options.profile);
  const contextLength = alignUp(promptIds.length + maxTokens, BLOCK_TOKEN_COUNT);
  const codec = modelCodec(model, profile, options.calibration ?? null);
  invariant(!rewriteTile || codec.isExact, "only exact blocks can be rewritten");
  const { read = null, decodeRowCount = 1 } = options;
  const windowBlockCount = windowBlocks(options.windowTokenCount ?? WINDOW_TOKEN_COUNT);
  const plan = planCache(model, {
    codec,
    slotCount: 1,
    contextLength,
    windowBlockCount,
    ...(options.arenaSizeBytes === undefined ? {} : { arenaSizeBytes: options.arenaSizeBytes }),
    ...cacheForReading(read),
  });
  const keep = options.keep === undefined
    ? null
    : checkedKeep(options.keep, { codec, windowBlockCount });
  const runner = await StepRunner.create(model, {
    cacheShape: plan.shape,
    codec,
    read,
    draftRowCount: decodeRowCount - 1,
    ...(keep ? { observedContextLength: contextLength } : {}),
  });
  const driver = soleSequence(runner, plan, {
    sequenceId: SEQUENCE_ID,
    promptIds,
    maxTokens,
    policy: options.policy ?? KEEP_ALL,
    keep,
  });
  await runner.graph.enableSliceLogits();
  return new SequenceRun({ model, plan, driver, rewriteTile: rewriteTile ?? null });
}

/** See {@link createSequenceRun}. */
export class SequenceRun {
  #model: LoadedModel;
  #plan: CachePlan;
  #driver: StepDriver;
  #bytes: CacheBytes = { raw: 0, payload: 0, packed: 0, allocated: 0 };
  #bits: SideBits = { total: { k: 0, v: 0 }, payload: { k: 0, v: 0 } };
  #near: NearBytes | null = null;
  #lastSlice: PrefillSlice | null = null;
  #rewriteTile: TileRewriter | null;

  constructor(
    parts: {
      model: LoadedModel;
      plan: CachePlan;
      driver: StepDriver;
      rewriteTile: TileRewriter | null;
    },
  ) {
    this.#model = parts.model;
    this.#rewriteTile = parts.rewriteTile;
    this.#plan = parts.plan;
    this.#driver = parts.driver;
  }

  /** Prefills the next slice; logits f32 `[vocabSize]` of each of its rows if wanted. */
  async nextSlice(options: { wantsLogits: boolean }): Promise<Float32Array[]> {
    const { rowCount } = await this.#step(options);
    return options.wantsLogits ? await this.#runner.graph.readSliceLogits(rowCount) : [];
  }

  /**
   * Feeds tokens in the place of those of the last slice, as often as wanted: each time they are
   * read after the same cache. Nothing else may be fed afterwards.
   *
   * @param ids As many as fit into the last slice's tile without filling it.
   * @returns Logits f32 `[vocabSize]` of each.
   */
  async feedAgain(ids: readonly number[]): Promise<Float32Array[]> {
    const last = this.#lastSlice;
    invariant(last !== null, "a slice was fed");
    const end = last.position % BLOCK_TOKEN_COUNT + ids.length;
    invariant(ids.length > 0 && end < BLOCK_TOKEN_COUNT, "the tokens do not fill a tile");
    const slice = { ...last, ids, isLast: false };
    await this.#runner.run({ ...EMPTY_STEP, slice }, { wantsLogits: true });
    return await this.#runner.graph.readSliceLogits(ids.length);
  }

  /** Sets how much decode rows read, where they choose; a share of 1 is everything. */
  setRead({ blockCount, share }: Pick<ReadMethod, "blockCount" | "share">): void {
    this.#runner.reading?.set(0, blockCount);
    this.#runner.reading?.setShare(0, share ?? 1);
  }

  /** Which blocks the rows that were decoded last chose; null where they count blocks. */
  async chosenSets(): Promise<ChosenSets | null> {
    const sets = this.#runner.reading?.sets ?? null;
    if (sets === null) return null;
    const { buffer } = sets;
    const bytes = await readBuffer(this.#model.gpu, buffer, { sizeBytes: buffer.size });
    return new ChosenSets(new Uint32Array(bytes), sets);
  }

  /** Stores of which rows choose, by index, and sealed blocks that the next rows may read. */
  get choosing(): { stores: readonly number[]; kvHeadCount: number; blockCount: number } {
    const { cache } = this.#runner;
    const stores = cache.summaries.flatMap((summaries, store) => summaries === null ? [] : [store]);
    const { kvHeadCount } = this.#model.shape;
    return { stores, kvHeadCount, blockCount: this.#lastSlice?.listCount ?? 0 };
  }

  /**
   * Feeds tokens as decode rows, each with what it would read if it had been generated: in the
   * place of those of the last slice, or behind it where its tile has room: a tile more would take
   * the place of one that is still read. As often as wanted; the next slice may follow.
   *
   * @param ids As many as fit into the last slice's tile.
   * @returns Logits f32 `[vocabSize]` of each.
   */
  async decodeRows(
    ids: readonly number[],
    { from }: { from: "last slice" | "behind it" },
  ): Promise<Float32Array[]> {
    const last = this.#lastSlice;
    invariant(last !== null && ids.length > 0, "a slice was fed, and there is more");
    const position = last.position + (from === "behind it" ? last.ids.length : 0);
    const tileEnd = (Math.floor(last.position / BLOCK_TOKEN_COUNT) + 1) * BLOCK_TOKEN_COUNT;
    invariant(position + ids.length <= tileEnd, "the tokens lie in the tile of the last slice");
    const [knownId, ...draftIds] = ids;
    const { slot, listCount, firstWindowBlock } = last;
    const row = { sequenceId: SEQUENCE_ID, slot, position, knownId, draftIds };
    await this.#runner.run({
      ...EMPTY_STEP,
      decodes: [{ ...row, listCount, firstWindowBlock }],
    });
    return await this.#runner.graph.readDecodeLogits(ids.length);
  }

  /** What decode rows have read so far. */
  get readCounts(): ReadCounts {
    return this.#runner.readCounts;
  }

  /** Device bytes for values that lie in host memory otherwise. */
  get valueRoomBytes(): number {
    const { groups } = this.#runner.cache.shape;
    return groups.reduce((sum, group) => sum + group.valueWordCount, 0) * WORD_SIZE_BYTES;
  }

  /** Values in host memory; null if all are on the device. */
  get hostValues(): HostValues | null {
    return this.#runner.hostValues;
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

  /** The same by side; half of a record's section table is counted to each, its padding to none. */
  sideBytes(): { k: SideBytes; v: SideBytes } {
    const raw = this.#bytes.raw / 2;
    const { total, payload } = this.#bits;
    const ofSide = (side: "k" | "v") => {
      return { raw, payload: raw * payload[side] / 16, packed: raw * total[side] / 16 };
    };
    return { k: ofSide("k"), v: ofSide("v") };
  }

  /** Bits per element of the same blocks, by side, with all side data. */
  bitsPerElement(): { k: number; v: number } {
    return this.#bits.total;
  }

  /** Records that are described by some of their tokens. */
  get describedCounts(): StepRunner["sealer"]["describedCounts"] {
    return this.#runner.sealer.describedCounts;
  }

  /** Device bytes of the raw windows of layers that seal, and of the codec's tables. */
  get besideBytes(): { window: number; tables: number } {
    const { shape, codec } = this.#plan;
    const sealing = shape.stores.filter(({ isSealed }) => isSealed);
    return {
      window: sealing.reduce((sum, store) => sum + windowSizeBytes(shape, store), 0),
      tables: codec.tableWords * WORD_SIZE_BYTES,
    };
  }

  /** Device bytes of the raw window of the sequence. */
  get windowBytes(): number {
    return this.#runner.cache.sizeBytes.window;
  }

  /** Layers whose blocks are sealed, and stay. */
  get sealedLayerCount(): number {
    return this.#plan.shape.stores.filter(keepsAll).length;
  }

  /** What layers that see a window held of it sealed at the largest size; null if nothing. */
  get near(): NearBytes | null {
    return this.#near;
  }

  #nearBytes(): NearBytes | null {
    const { stores } = this.#plan.shape;
    const { packedStoreWords, packedStoreTokens } = this.stats;
    const near = [...stores.entries()].flatMap(([index, store]) =>
      isNear(store) ? [{ index, reach: store.reach, tokenBytes: storeTokenBytes(store) }] : []
    );
    if (near.length === 0) return null;
    const sum = (of: (own: (typeof near)[number]) => number) =>
      near.reduce((total, own) => total + of(own), 0);
    return {
      reach: Math.max(...near.map(({ reach }) => reach)),
      tokenBytes: sum(({ tokenBytes }) => tokenBytes),
      packed: sum(({ index }) => packedStoreWords[index] * WORD_SIZE_BYTES),
      raw: sum(({ index, tokenBytes }) => packedStoreTokens[index] * tokenBytes),
    };
  }

  /** Frees the cache; the model stays. */
  destroy(): void {
    this.#runner.destroy();
  }

  async #step(options: { wantsLogits: boolean }): Promise<{ rowCount: number; id: number }> {
    const { plan: { slice }, outcome } = await this.#stepWithRows(options);
    this.#lastSlice = slice ?? this.#lastSlice;
    this.#driver.scheduler.drainEvents();
    return { rowCount: slice?.ids.length ?? 0, id: outcome.ids.get(SEQUENCE_ID) ?? -1 };
  }

  /** Between the prompt and the first decode row, what stays of the prompt may move. */
  async #stepWithRows(options: { wantsLogits: boolean }) {
    while (true) {
      const ran = await this.#driver.step(async (plan) => {
        for (const pack of plan.packs) await this.#rewriteBlock(pack);
        // Before it is read: the blocks measured so far are those that are packed with this step.
        this.#noteSize();
        return await this.#runner.run(plan, options);
      });
      invariant(ran !== null, "the sequence has not ended");
      if (ran.plan.slice !== null || ran.plan.decodes.length > 0) return ran;
    }
  }

  /** Of the sequence now. */
  get stats(): SchedulerStats {
    return this.#driver.scheduler.stats();
  }

  get #runner(): StepRunner {
    return this.#driver.runner;
  }

  #noteSize(): void {
    const bytes = cacheBytes(this.#driver.scheduler.stats(), this.#plan);
    if (bytes.packed <= this.#bytes.packed) return;
    const { sealer } = this.#runner;
    this.#bytes = bytes;
    this.#near = this.#nearBytes();
    this.#bits = { total: sealer.bitsPerElement(), payload: sealer.payloadBitsPerElement() };
  }

  /** The tiles are still in the window: the step about to be encoded copies them to the arena. */
  async #rewriteBlock({ slot, blockIndex }: PackOp): Promise<void> {
    const rewriteTile = this.#rewriteTile;
    if (rewriteTile === null) return;
    const { gpu } = this.#model;
    const { sealed, windowTileCount, shape: { tileWords } } = this.#runner.cache;
    const tileBytes = tileWords * WORD_SIZE_BYTES;
    const tile = windowTile(slot, blockIndex, windowTileCount);
    const gathered = gpu.createBuffer("tiles to rewrite", sealed.length * tileBytes);
    const encoder = gpu.device.createCommandEncoder();
    for (const [index, { window }] of sealed.entries()) {
      const [from, to] = [tile * tileBytes, index * tileBytes];
      encoder.copyBufferToBuffer(window, from, gathered, to, tileBytes);
    }
    gpu.device.queue.submit([encoder.finish()]);
    const words = new Uint32Array(
      await readBuffer(gpu, gathered, { sizeBytes: sealed.length * tileBytes }),
    );
    gpu.destroyBuffer(gathered);
    for (const [index, { window, layer }] of sealed.entries()) {
      const own = words.subarray(index * tileWords, (index + 1) * tileWords);
      rewriteTile(own, { layer, blockIndex });
      gpu.write(window, tile * tileBytes, own);
    }
  }
}
