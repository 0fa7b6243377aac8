/**
 * Turns a {@link StepPlan} into one command buffer and its results into a {@link StepResult}.
 *
 * @module
 */

import { SLICE_TOKEN_COUNT, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { AnyCodec } from "../codec/registry.ts";
import { CommandChain } from "../gpu/command_chain.ts";
import type { ReadBack } from "../gpu/read_back.ts";
import { ReadBackPool } from "../gpu/read_back_pool.ts";
import { Stopwatch } from "../gpu/stopwatch.ts";
import { fastest } from "../gpu/timing.ts";
import type { CacheShape } from "../kvcache/cache_shape.ts";
import { BlockSummaries } from "../kvcache/block_summaries.ts";
import { HostValues, NO_VALUES, type ValueCounts } from "../kvcache/host_values.ts";
import { HostTransfer, type StagedBlocks } from "../kvcache/host_transfer.ts";
import { KvCache } from "../kvcache/kv_cache.ts";
import { createReaders, createSealer } from "../kvcache/codecs/registry.ts";
import { PromptScores, type StagedScores } from "../kvcache/prompt_scores.ts";
import { type ReadCounts, Reading, type ReadMethod } from "../kvcache/reading.ts";
import type { PlacedPack, Sealer } from "../kvcache/sealer.ts";
import { packApart, paddedResults } from "../kvcache/sealing_apart.ts";
import { LOGPROB_RESULT_SIZE_BYTES } from "../kernels/token_logprobs/row.ts";
import type { SamplingOptions } from "../core/sampling.ts";
import { ForwardGraph, type LogprobReport, type SliceOptions } from "../model/forward_graph.ts";
import type { SamplingExtras } from "../model/sampler.ts";
import type { DecodeRow, StepPlan, StepResult } from "../scheduler/step_plan.ts";
import { checkLatents } from "./latent_limits.ts";
import type { LoadedModel } from "./load_model.ts";
import { readReports, type StepReports } from "./read_reports.ts";
import { UNREAD_COUNT_MAX } from "./step_clock.ts";
import { StepTimes } from "./step_times.ts";
import { SUBMIT_MS_MAX } from "./submit_budget.ts";
import { checkChoice } from "./value_limits.ts";

/** Steps that copy blocks to the host and are not read: one submitted, one encoded behind it. */
const SAVING_STEP_COUNT = 2;

/** Parts of a step that are timed: packing what was measured, and measuring. */
const PACK_SPAN = 0;
const MEASURE_SPAN = 1;
const SPAN_COUNT = 2;

/** Commands of one step, ready to submit, and where its results will be. */
export interface EncodedStep {
  /** In one buffer or several. */
  commands: readonly GPUCommandBuffer[];
  readBack: ReadBack;
  /** Where saved and swapped blocks will be. */
  staged: readonly StagedBlocks[];
  reports: readonly LogprobReport[];
  /** Bytes of the rows of its slice that are read. */
  hiddenBytes: number;
  /** What tokens of a prompt got from its last queries, where it was asked for. */
  scores: StagedScores | null;
}

/** What a step made, with what the scheduler does not need. */
export interface StepOutcome extends StepResult, StepReports {
  /** Rows of the slice behind the last layer that were asked for, f32 `[rows, width]`. */
  hidden: Float32Array;
  /** Device time of sealing; 0 where the adapter has no timestamps. */
  sealingSeconds: number;
  /** Device time as the host sees it; null if the step was done with one read before it. */
  tookMs: number | null;
}

/** Runs steps of one cache. */
export class StepRunner {
  readonly cache: KvCache;
  readonly sealer: Sealer;
  readonly graph: ForwardGraph;
  readonly host: HostTransfer;
  /** Null unless methods may keep less of prompts. */
  readonly #scores: PromptScores | null;
  /** Null unless decode rows may read a part of the sealed blocks. */
  readonly reading: Reading | null;
  readonly #summaries: BlockSummaries | null;
  /** Null unless values of sealed blocks lie in host memory. */
  readonly hostValues: HostValues | null;
  #model: LoadedModel;
  readonly #readBacks: ReadBackPool;
  readonly #stopwatch: Stopwatch | null;
  /** What its steps take. */
  readonly times: StepTimes;

  private constructor(
    model: LoadedModel,
    parts: {
      cache: KvCache;
      sealer: Sealer;
      graph: ForwardGraph;
      readBacks: ReadBackPool;
      stopwatch: Stopwatch | null;
      times: StepTimes;
      scores: PromptScores | null;
      reading: Reading | null;
      summaries: BlockSummaries | null;
      values: HostValues | null;
    },
    host: HostTransfer,
  ) {
    this.#model = model;
    this.#stopwatch = parts.stopwatch;
    this.times = parts.times;
    this.#scores = parts.scores;
    this.reading = parts.reading;
    this.#summaries = parts.summaries;
    this.hostValues = parts.values;
    this.cache = parts.cache;
    this.sealer = parts.sealer;
    this.graph = parts.graph;
    this.host = host;
    this.#readBacks = parts.readBacks;
  }

  /**
   * Allocates a cache and compiles the kernels for it.
   *
   * @param options `submitMsMax`: longest that a submit should take; on a CPU without bounds, if
   * left out, as nothing interrupts that.
   */
  static async create(
    model: LoadedModel,
    options: {
      cacheShape: CacheShape;
      codec: AnyCodec;
      saveWordCountMax?: number;
      draftRowCount?: number;
      submitMsMax?: number;
      /** What decode rows read, in a cache made for that; everything if left out. */
      read?: ReadMethod | null;
      /** Most tokens of a sequence of which some may be dropped; none are if left out. */
      observedContextLength?: number;
    },
  ): Promise<StepRunner> {
    const { gpu, plan, weights } = model;
    const { cacheShape, codec, saveWordCountMax = 0, draftRowCount = 0 } = options;
    checkLatents(plan, {
      keep: options.observedContextLength !== undefined,
      read: (options.read ?? null) !== null,
    });
    checkChoice(options.read ?? null, codec);
    const cache = new KvCache(gpu, cacheShape);
    const sealer = await createSealer(gpu, { cache, codec });
    const { observedContextLength: contextLength } = options;
    const { shape: { queryHeadCount } } = plan;
    const { sinkCount } = codec;
    const scores = contextLength === undefined
      ? null
      : new PromptScores(gpu, cache, { queryHeadCount, sinkCount, contextLength });
    const { read = null } = options;
    const reading = read && new Reading(read, cacheShape.slotCount);
    const readers = createReaders(gpu, { cache, codec, hasDropped: scores !== null });
    const hasApart = cacheShape.stores.some(({ hasValuesApart }) => hasValuesApart);
    const values = hasApart ? new HostValues(gpu, cache) : null;
    const summaries = read && values === null
      ? await BlockSummaries.create(gpu, { cache, readers, kind: read.kind })
      : null;
    const graph = await ForwardGraph.create(gpu, {
      plan,
      weights,
      cache,
      scores,
      reading,
      readers,
      draftRowCount,
      math: model.math ?? "f32",
      values,
    });
    const reportCountMax = cacheShape.slotCount + 1 + SLICE_TOKEN_COUNT;
    const stopwatch = Stopwatch.create(gpu, SPAN_COUNT);
    const sizeBytes = graph.sampledCount * WORD_SIZE_BYTES + sealer.resultSizeBytes +
      reportCountMax * LOGPROB_RESULT_SIZE_BYTES + (stopwatch?.resultSizeBytes ?? 0) +
      SLICE_TOKEN_COUNT * plan.shape.width * WORD_SIZE_BYTES;
    const readBacks = new ReadBackPool(gpu, "step results", sizeBytes);
    const host = new HostTransfer(gpu, cache, { stepCount: SAVING_STEP_COUNT, saveWordCountMax });
    const { isFallback } = gpu.facts;
    const { submitMsMax = isFallback ? Infinity : SUBMIT_MS_MAX } = options;
    const { first: readBack } = readBacks;
    const times = new StepTimes({
      submitMsMax,
      // A CPU that waits for itself has no time to gain.
      unreadLimit: isFallback ? 1 : UNREAD_COUNT_MAX,
      readsAll: readBack.isSynchronous,
      waitMs: await fastest(gpu, { readBack, y: graph.sampledIds }, () => {}),
      layerCount: plan.layers.length,
    });
    const parts = { cache, sealer, graph, readBacks, stopwatch, times, scores };
    return new StepRunner(model, { ...parts, reading, summaries, values }, host);
  }

  /** Sets how tokens of a slot are sampled, from the next encoded step on. */
  setSampling(slot: number, sampling: SamplingOptions, extras?: Partial<SamplingExtras>): void {
    this.graph.setSampling(slot, sampling, extras);
  }

  /**
   * Whether the next step may be encoded while one runs. With values in host memory encoding one
   * runs it layer by layer, but for its end.
   */
  get encodesAhead(): boolean {
    return this.hostValues === null;
  }

  /** Whether reading a step waits for all that are submitted. */
  get readsAll(): boolean {
    return this.#readBacks.first.isSynchronous;
  }

  /**
   * Steps that may be submitted before the first of them is read, if they only decode. What rows
   * that choose have read is counted as they are encoded: none may be in vain that need not be.
   */
  get unreadCountMax(): number {
    return this.encodesAhead && this.reading === null ? this.times.unreadCountMax : 1;
  }

  /**
   * Encodes a step; queue writes it needs are issued here, so encode in the order of submission.
   */
  encode(plan: StepPlan, options: SliceOptions = {}): EncodedStep {
    const commands = new CommandChain(this.#model.gpu.device);
    // One that is not encoded ahead runs meanwhile.
    if (!this.encodesAhead) this.times.submitted();
    this.hostValues?.beginStep();
    const staged = this.host.encodeSwaps(commands.encoder, plan.swaps);
    for (const load of plan.loads) this.host.load(load);
    for (const key of plan.drops) this.host.blocks.delete(key);
    for (const block of [...plan.packs, ...plan.links]) {
      this.cache.writeDirectory(block);
      this.hostValues?.link(block);
    }
    const stopwatch = this.#stopwatchOf(plan);
    const timed = (span: number, part: () => void) =>
      stopwatch ? stopwatch.encode(commands.encoder, span, part) : part();
    const encodePacks = (packs: readonly PlacedPack[]) =>
      timed(PACK_SPAN, () => this.sealer.encodePacks(commands.encoder, packs));
    const { sealer, hostValues: values } = this;
    if (values === null || plan.packs.length === 0) encodePacks(plan.packs);
    else packApart({ sealer, values }, plan.packs, { commands, encodePacks });
    const before = commands.encoder;
    this.#summaries?.encode(before, [...plan.packs, ...plan.links]);
    for (const tile of plan.restores) this.cache.encodeTileCopy(before, tile, "window");
    this.#encodeRows(commands, plan, options);
    const { encoder } = commands;
    for (const tile of plan.keeps) this.cache.encodeTileCopy(encoder, tile, "arena");
    timed(MEASURE_SPAN, () => this.sealer.encodeMeasures(encoder, plan.measures));
    const scores = this.#scores?.encodeCopy(encoder, plan.slice) ?? null;
    const saved = this.host.encodeSaves(encoder, plan.saves);
    if (saved) staged.push(saved);
    const readBack = this.#readBacks.take();
    const idBytes = this.graph.sampledCount * WORD_SIZE_BYTES;
    readBack.encodeCopy(encoder, this.graph.sampledIds, { sizeBytes: idBytes });
    let offsetBytes = idBytes;
    const reports = this.graph.takeReports();
    for (const { rows, results } of reports) {
      const sizeBytes = rows.length * LOGPROB_RESULT_SIZE_BYTES;
      readBack.encodeCopy(encoder, results, { sizeBytes, targetOffsetBytes: offsetBytes });
      offsetBytes += sizeBytes;
    }
    const hiddenBytes = this.#encodeHidden(encoder, plan, { options, readBack, offsetBytes });
    offsetBytes += hiddenBytes;
    if (plan.measures.length > 0) {
      this.sealer.encodeResultCopy(encoder, readBack, offsetBytes);
      offsetBytes += this.sealer.resultSizeBytes;
    }
    stopwatch?.encodeResults(encoder, readBack, offsetBytes);
    return { commands: commands.finish(), readBack, staged, reports, hiddenBytes, scores };
  }

  /** Copies the rows of a slice that are asked for; how many bytes they take. */
  #encodeHidden(
    encoder: GPUCommandEncoder,
    { slice }: StepPlan,
    { options: { hidden }, readBack, offsetBytes: targetOffsetBytes }: {
      options: SliceOptions;
      readBack: ReadBack;
      offsetBytes: number;
    },
  ): number {
    if (!hidden || !slice?.isComplete) return 0;
    const rowBytes = this.#model.plan.shape.width * WORD_SIZE_BYTES;
    const sizeBytes = hidden.count * rowBytes;
    const offsetBytes = hidden.first * rowBytes;
    readBack.encodeCopy(encoder, this.graph.sliceRows, {
      offsetBytes,
      sizeBytes,
      targetOffsetBytes,
    });
    return sizeBytes;
  }

  /** What decode rows have read so far, if they may read less than everything. */
  get readCounts(): ReadCounts {
    return this.reading?.counts ?? { readableTokenCount: 0, readTokenCount: 0 };
  }

  /** Values that came from host memory so far. */
  get valueCounts(): ValueCounts {
    return this.hostValues?.counts ?? NO_VALUES;
  }

  /** Begins to count from 0 what is read, what comes from host memory for it, and is sealed. */
  beginCounts(): void {
    this.sealer.beginCounts();
    this.reading?.beginCounts();
    this.hostValues?.beginCounts();
  }

  /**
   * Records, submits and reads a step by itself.
   *
   * @throws {EngineError} What the device has failed with before.
   */
  async run(plan: StepPlan, options: SliceOptions = {}): Promise<StepOutcome> {
    this.#model.gpu.throwIfFailed();
    const encoded = this.encode(plan, options);
    this.submit(encoded);
    return await this.read(plan, encoded);
  }

  /** Submits a encoded step. */
  submit({ commands }: EncodedStep): void {
    if (this.encodesAhead) this.times.submitted();
    for (const buffer of commands) this.#model.gpu.device.queue.submit([buffer]);
  }

  /** Encodes decode rows and the slice, in command buffers that are short enough. */
  #encodeRows(commands: CommandChain, { decodes, slice }: StepPlan, options: SliceOptions): void {
    const { decodeLayers } = this.times;
    if (decodes.length > 0) this.graph.encodeDecodes(commands, decodes, decodeLayers);
    if (slice === null) return;
    const layersAtATime = this.times.sliceLayers(slice.ids.length);
    if (decodes.length > 0 && layersAtATime !== Infinity) commands.cut();
    this.graph.encodeSlice(commands, slice, { ...options, layersAtATime });
  }

  /** Waits for a submitted step and returns what it made. */
  async read(plan: StepPlan, encoded: EncodedStep): Promise<StepOutcome> {
    const { readBack, staged, reports, hiddenBytes } = encoded;
    const idBytes = this.graph.sampledCount * WORD_SIZE_BYTES;
    const reportCount = reports.reduce((sum, { rows }) => sum + rows.length, 0);
    const reportBytes = reportCount * LOGPROB_RESULT_SIZE_BYTES;
    const sealBytes = plan.measures.length > 0 ? this.sealer.resultSizeBytes : 0;
    const timeBytes = this.#stopwatchOf(plan)?.resultSizeBytes ?? 0;
    const sealOffset = idBytes + reportBytes + hiddenBytes;
    const sizeBytes = sealOffset + sealBytes + timeBytes;
    const words = new Uint32Array(await readBack.read(sizeBytes));
    this.#readBacks.giveBack(readBack);
    const tookMs = this.times.read(plan);
    for (const blocks of staged) await this.host.readStaged(blocks);
    const scores = await this.#scores?.read(encoded.scores);
    const sampled: Pick<DecodeRow, "sequenceId" | "slot">[] = [...plan.decodes];
    if (plan.slice?.isLast) sampled.push(plan.slice);
    const ids = new Map(sampled.map(({ sequenceId, slot }) => [sequenceId, words[slot]]));
    const sealWords = words.subarray(sealOffset / WORD_SIZE_BYTES);
    const { sealer, hostValues: values } = this;
    const sealed = sealer.readResults(plan.measures, sealWords);
    const timeWords = words.subarray((sizeBytes - timeBytes) / WORD_SIZE_BYTES);
    let place = this.cache.shape.slotCount;
    const draftSamples = new Map(plan.decodes.map(({ sequenceId, draftIds }) => {
      const first = place;
      place += draftIds.length;
      return [sequenceId, [...words.subarray(first, place)]];
    }));
    return {
      ids,
      draftSamples,
      hidden: new Float32Array(words.buffer, idBytes + reportBytes, hiddenBytes / WORD_SIZE_BYTES),
      ...readReports(reports, words.subarray(idBytes / WORD_SIZE_BYTES)),
      ...(values === null ? sealed : paddedResults({ sealer, values }, sealed)),
      ...scores,
      sealingSeconds: Stopwatch.seconds(timeWords),
      tookMs,
    };
  }

  /** A step that neither packs nor measures is not timed: marks cost a pass each. */
  #stopwatchOf({ packs, measures }: StepPlan): Stopwatch | null {
    return packs.length + measures.length > 0 ? this.#stopwatch : null;
  }

  /** Frees all buffers but the weights. */
  destroy(): void {
    this.#readBacks.destroy();
    this.#stopwatch?.destroy();
    this.host.destroy();
    this.#scores?.destroy();
    this.#summaries?.destroy();
    this.hostValues?.destroy();
    this.graph.destroy();
    this.sealer.destroy();
    this.cache.destroy();
  }
}
