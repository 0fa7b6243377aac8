/**
 * The whole model as commands: decode rows and slices from token ids to sampled ids, which stay on
 * the device for the next step.
 *
 * @module
 */

import type { Row } from "../core/row.ts";
import type { SamplingOptions } from "../core/sampling.ts";
import { SLICE_TOKEN_COUNT, WORD_SIZE_BYTES } from "../core/shapes.ts";
import { ChainedPass, type CommandChain } from "../gpu/command_chain.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { readBuffer } from "../gpu/read_back.ts";
import { ROW_TILE } from "../kernels/matmul/row_counts.ts";
import type { BlockReaders } from "../kvcache/block_reader.ts";
import type { KvCache } from "../kvcache/kv_cache.ts";
import type { HostValues } from "../kvcache/host_values.ts";
import type { Reading } from "../kvcache/reading.ts";
import type { PromptScores } from "../kvcache/prompt_scores.ts";
import type { DecodeRow, PrefillSlice } from "../scheduler/step_plan.ts";
import { attentionShapes } from "./attention_splits.ts";
import { DecodeAttention } from "./decode_attention.ts";
import { createEmbedding } from "./embedding.ts";
import { ExpertSet } from "./expert_set.ts";
import { FinishHeadsSet } from "./finish_heads_set.ts";
import { FinishLatentSet } from "./finish_latent_set.ts";
import { Head } from "./head.ts";
import { RowSlicesAttention } from "./row_slices_attention.ts";
import type { RecordRows } from "./layer_context.ts";
import { LayerStack } from "./layer_stack.ts";
import { MatmulSet } from "./matmul_set.ts";
import { NormAddSet } from "./norm_add_set.ts";
import { PromptScorer } from "./prompt_scorer.ts";
import { SliceAttention } from "./slice_attention.ts";
import type { ModelPlan } from "./plan.ts";
import type { ProductMath } from "./product_math.ts";
import { RopeTables } from "./rope_table.ts";
import { RowGroup } from "./row_group.ts";
import { type ReportedRow, Sampler, type SamplerPath, type SamplingExtras } from "./sampler.ts";
import type { ModelWeights } from "./weights.ts";

/** What a graph is built from. */
export interface ForwardGraphOptions {
  plan: ModelPlan;
  weights: ModelWeights;
  cache: KvCache;
  /** Of the cache's sealed blocks; freed with the graph. */
  readers: BlockReaders;
  /** Decode rows beside one of each slot, for drafts; none if left out. */
  draftRowCount?: number;
  /** What decode rows read of sealed blocks; everything if left out. */
  reading?: Reading | null;
  /** Where to sum up what tokens got from the last queries of prompts; nowhere if left out. */
  scores?: PromptScores | null;
  /** How products are made; in f32 if left out. */
  math?: ProductMath;
  /** Values of sealed blocks that lie in host memory; all are in the arenas if left out. */
  values?: HostValues | null;
}

/** Rows, layers and what follows them, for decode or for slices. */
interface Path {
  group: RowGroup;
  stack: LayerStack;
  head: Head;
  embed: RecordRows;
  sampler: SamplerPath;
}

/** Log-probabilities that a encoded step leaves, 44 words each. */
export interface LogprobReport {
  /** Of tokens it samples, or of the tokens that follow each row of its slice. */
  kind: "token" | "prompt";
  rows: readonly ReportedRow[];
  results: GPUBuffer;
}

/** Rows of a slice that are reported on: the first ones. */
export interface ScoredRows {
  /** The token that follows each of them; at least one. */
  nextIds: readonly number[];
  /** Alternatives to report with each. */
  topCount: number;
}

/** What is done with a slice beside storing it. */
export interface SliceOptions {
  wantsLogits?: boolean;
  scored?: ScoredRows | null;
  /** Rows that are read back as they are behind the last layer; none if left out or null. */
  hidden?: { first: number; count: number } | null;
}

/** Encodes the forward pass for one cache. */
export class ForwardGraph {
  /**
   * u32: the last sampled id of each slot, the ids sampled after drafts, then what is fed: the ids
   * of the slice, and drafts.
   */
  readonly sampledIds: GPUBuffer;
  #gpu: Gpu;
  #options: ForwardGraphOptions;
  #sampler: Sampler;
  #scorer: PromptScorer;
  #reports: LogprobReport[] = [];
  #decode: Path;
  #slice: Path;
  /** f32 `[ROW_TILE, width]`: the last row of a slice, whose logits are sampled. */
  #lastRow: GPUBuffer;
  #matmuls: MatmulSet;
  /** Logits of all rows of a slice; made when first wanted. */
  #sliceHead: Head | null = null;

  private constructor(gpu: Gpu, options: ForwardGraphOptions, parts: GraphParts) {
    this.#gpu = gpu;
    this.#options = options;
    this.sampledIds = parts.ids;
    this.#sampler = parts.sampler;
    this.#scorer = parts.scorer;
    this.#decode = parts.decode;
    this.#slice = parts.slice;
    this.#lastRow = parts.lastRow;
    this.#matmuls = parts.matmuls;
  }

  /** Compiles all kernels and allocates activations. */
  static async create(gpu: Gpu, options: ForwardGraphOptions): Promise<ForwardGraph> {
    return new ForwardGraph(gpu, options, await createParts(gpu, options));
  }

  /** Sets how tokens of a slot are sampled. */
  setSampling(slot: number, settings: SamplingOptions, extras?: Partial<SamplingExtras>): void {
    this.#sampler.set(slot, settings, extras);
  }

  /** See {@link Sampler.setMasks}. */
  setMasks(slot: number, masks: readonly Uint32Array[], firstDraft: number): void {
    this.#sampler.setMasks(slot, masks, firstDraft);
  }

  /** Takes what the commands encoded since the last call report. */
  takeReports(): LogprobReport[] {
    const reports = this.#reports;
    this.#reports = [];
    return reports;
  }

  /**
   * Encodes one decode row per sequence, from its slot's last id, or a known one, to the next.
   *
   * @param layersAtATime Of a command buffer; infinite for all in one.
   */
  encodeDecodes(
    commands: CommandChain,
    decodes: readonly DecodeRow[],
    layersAtATime = Infinity,
  ): void {
    for (const { slot, knownId } of decodes) {
      if (knownId === null) continue;
      this.#gpu.write(this.sampledIds, slot * WORD_SIZE_BYTES, Uint32Array.of(knownId));
    }
    const rows = decodes.map((row) => this.#rowOf(row, row.position, row.slot));
    const draftIds: number[] = [];
    const firstDraft = this.sampledCount + SLICE_TOKEN_COUNT;
    for (const row of decodes) {
      for (const [index, id] of row.draftIds.entries()) {
        rows.push(this.#rowOf(row, row.position + 1 + index, firstDraft + draftIds.length));
        draftIds.push(id);
      }
    }
    if (draftIds.length > 0) {
      this.#gpu.write(this.sampledIds, firstDraft * WORD_SIZE_BYTES, Uint32Array.from(draftIds));
    }
    const { stack, group } = this.#decode;
    group.write(rows);
    const layers = { first: 0, end: this.#options.plan.layers.length };
    const pass = encodeLayers(commands, { label: "decode", layers, layersAtATime }, {
      begin: (pass) => this.#decode.embed(pass, rows.length),
      layers: (chained, some) => stack.encode(chained, rows, some),
    });
    this.#encodeHead(pass, this.#decode, { rows, isDecode: true, draftCount: draftIds.length });
    pass.end();
  }

  /**
   * Encodes layers of a slice of a prompt; samples after the last prompt token.
   *
   * @param options `wantsLogits`: all logits can be read afterwards. `scored`: the tokens that
   * follow the first rows of a complete slice are reported on.
   * @param layersAtATime Of a command buffer; infinite for all in one.
   */
  encodeSlice(
    commands: CommandChain,
    slice: PrefillSlice,
    { layersAtATime = Infinity, ...options }: SliceOptions & { layersAtATime?: number },
  ): void {
    const { slot, position, ids, layers, isComplete, isLast } = slice;
    const rows = ids.map((_, index) =>
      this.#rowOf(slice, position + index, this.sampledCount + index)
    );
    const { stack, group } = this.#slice;
    this.#options.scores?.begin(slice);
    if (layers.first === 0) {
      this.#gpu.write(this.sampledIds, this.sampledCount * WORD_SIZE_BYTES, Uint32Array.from(ids));
      group.write(rows);
    }
    const pass = encodeLayers(commands, { label: "slice", layers, layersAtATime }, {
      begin: (pass) => {
        if (layers.first === 0) this.#slice.embed(pass, rows.length);
      },
      layers: (chained, some) => stack.encode(chained, rows, some),
    });
    if (options.wantsLogits && isComplete) this.#sliceHead?.encode(pass, rows.length);
    if (options.scored) this.#encodeScores(pass, slot, options.scored);
    pass.end();
    if (!isLast) return;
    const rowBytes = this.#options.plan.shape.width * WORD_SIZE_BYTES;
    const start = (rows.length - 1) * rowBytes;
    const { encoder } = commands;
    encoder.copyBufferToBuffer(this.#slice.group.x, start, this.#lastRow, 0, rowBytes);
    const headPass = encoder.beginComputePass({ label: "slice head" });
    this.#encodeHead(headPass, this.#slice, { rows: rows.slice(-1), isDecode: false });
    headPass.end();
  }

  /** Queries of the layer run last on a slice, after RoPE. f32 `[rows, queryWidth]`. */
  get sliceQueries(): GPUBuffer {
    return this.#slice.group.q;
  }

  /** Rows of the slice run last, behind its last layer. f32 `[rows, width]`. */
  get sliceRows(): GPUBuffer {
    return this.#slice.group.x;
  }

  /** Makes room for the logits of all rows of slices; call before encoding with `wantsLogits`. */
  async enableSliceLogits(): Promise<void> {
    const { weights, plan: { head: { softCap } } } = this.#options;
    const { x } = this.#slice.group;
    const options = { weights, matmuls: this.#matmuls, x, rowCount: SLICE_TOKEN_COUNT, softCap };
    this.#sliceHead ??= await Head.create(this.#gpu, options);
  }

  /** Logits f32 `[vocabSize]` of the first `rowCount` rows of the last slice. */
  async readSliceLogits(rowCount: number): Promise<Float32Array[]> {
    if (this.#sliceHead === null) return [];
    return await this.#readLogits(this.#sliceHead, rowCount);
  }

  /** Logits f32 `[vocabSize]` of the first `rowCount` decode rows of the last step. */
  async readDecodeLogits(rowCount: number): Promise<Float32Array[]> {
    return await this.#readLogits(this.#decode.head, rowCount);
  }

  /** Frees all buffers. */
  destroy(): void {
    this.#sliceHead?.destroy();
    for (const { stack, head } of [this.#decode, this.#slice]) {
      stack.destroy();
      head.destroy();
    }
    this.#sampler.destroy();
    this.#scorer.destroy();
    this.#options.readers.destroy();
    for (const buffer of [this.sampledIds, this.#lastRow]) {
      this.#gpu.destroyBuffer(buffer);
    }
  }

  /** Ids that rows sample; behind them lie those that are fed. */
  get sampledCount(): number {
    return this.#options.cache.shape.slotCount + (this.#options.draftRowCount ?? 0);
  }

  #rowOf(reader: DecodeRow | PrefillSlice, position: number, idIndex: number): Row {
    const { slot, listCount, firstWindowBlock } = reader;
    const listStart = slot * this.#options.cache.shape.blockCountMax;
    return { slot, position, listStart, listCount, firstWindowBlock, idIndex };
  }

  /** Encodes logits and the choice of a token for rows that are the first of the head's `x`. */
  #encodeHead(
    pass: GPUComputePassEncoder,
    path: Path,
    options: { rows: readonly Row[]; isDecode: boolean; draftCount?: number },
  ): void {
    path.head.encode(pass, options.rows.length);
    const rows = this.#sampler.encode(pass, path.sampler, options);
    const { results } = path.sampler;
    if (rows.length > 0) this.#reports.push({ kind: "token", rows, results });
  }

  #encodeScores(pass: GPUComputePassEncoder, slot: number, scored: ScoredRows): void {
    const { nextIds, topCount } = scored;
    const { logprobs } = this.#sampler;
    this.#scorer.encode(pass, { nextIds, topCount, logprobs });
    const rows = nextIds.map(() => ({ slot, topCount }));
    this.#reports.push({ kind: "prompt", rows, results: this.#scorer.results });
  }

  async #readLogits(head: Head, rowCount: number): Promise<Float32Array[]> {
    const { vocabSize } = this.#options.plan.shape;
    const sizeBytes = rowCount * vocabSize * WORD_SIZE_BYTES;
    const values = new Float32Array(await readBuffer(this.#gpu, head.logits, { sizeBytes }));
    return Array.from({ length: rowCount }, (_, row) => {
      return values.subarray(row * vocabSize, (row + 1) * vocabSize);
    });
  }
}

/** Encodes layers in passes, each in a command buffer of its own; the last stays open. */
function encodeLayers(
  commands: CommandChain,
  { label, layers, layersAtATime }: {
    label: string;
    layers: { first: number; end: number };
    layersAtATime: number;
  },
  record: {
    begin: (pass: GPUComputePassEncoder) => void;
    layers: (chained: ChainedPass, some: { first: number; end: number }) => void;
  },
): GPUComputePassEncoder {
  const chained = new ChainedPass(commands, label);
  record.begin(chained.pass);
  for (let first = layers.first; first < layers.end;) {
    const end = Math.min(layers.end, first + layersAtATime);
    record.layers(chained, { first, end });
    first = end;
    if (end < layers.end) chained.cut();
  }
  return chained.pass;
}

interface GraphParts {
  ids: GPUBuffer;
  sampler: Sampler;
  scorer: PromptScorer;
  decode: Path;
  slice: Path;
  lastRow: GPUBuffer;
  matmuls: MatmulSet;
}

async function createParts(gpu: Gpu, options: ForwardGraphOptions): Promise<GraphParts> {
  const { plan, weights, cache } = options;
  const { shape, normEpsilon, head: { softCap } } = plan;
  const attentionPlan = attentionShapes(plan);
  const hasLatents = plan.layers[0].attention.latent !== null;
  const areSlices = hasLatents || options.readers.decode === null;
  const { slotCount } = cache.shape;
  const { draftRowCount = 0 } = options;
  const idCount = slotCount + SLICE_TOKEN_COUNT + 2 * draftRowCount;
  const ids = gpu.createBuffer("ids", idCount * WORD_SIZE_BYTES);
  const lastRow = gpu.createBuffer("last row", ROW_TILE * shape.width * WORD_SIZE_BYTES);
  const sampled = { ids, slotCount, draftRowCount, vocabSize: shape.vocabSize };
  const sampler = await Sampler.create(gpu, sampled);
  const { math = "f32" } = options;
  const matmuls = new MatmulSet(gpu, { normEpsilon, math });
  const embedding = await createEmbedding(gpu, { plan, weights, matmuls });
  const expertKernels = new ExpertSet(gpu, { math, scratch: matmuls.scratch });
  const finishers = new FinishHeadsSet(gpu, plan);
  const latentFinishers = new FinishLatentSet(gpu);
  const normAdds = new NormAddSet(gpu, { width: shape.width, epsilon: normEpsilon });
  const rope = new RopeTables(plan, weights.ropeFactors);
  const sights = plan.layers.map((_, layer) => cache.sightOf(layer));
  const makePath = async (label: string, rowCount: number, headRows: GPUBuffer | null) => {
    const isSlice = headRows !== null;
    const group = new RowGroup(gpu, { label, plan, sights, rowCount, isSlice, rope });
    const ofRows = areSlices ? RowSlicesAttention : DecodeAttention;
    const kind = isSlice ? SliceAttention : ofRows;
    const attention = await kind.create(gpu, { ...options, ...attentionPlan, group });
    const kernels = { matmuls, finishers, latentFinishers, normAdds, expertKernels };
    const context = { ...options, ...kernels, group };
    const stack = await LayerStack.create(context, attention);
    const headRowCount = headRows === null ? rowCount : 1;
    const x = headRows ?? group.x;
    const head = await Head.create(gpu, { weights, matmuls, x, rowCount: headRowCount, softCap });
    const bound = sampler.bind(label, head.logits, headRowCount);
    const bindings = { embed: await embedding.bind(group, ids), sampler: bound };
    return { group, stack, head, ...bindings };
  };
  const decode = await makePath("decode", slotCount + draftRowCount, null);
  const slice = await makePath("slice", SLICE_TOKEN_COUNT, lastRow);
  const scorer = await PromptScorer.create(gpu, {
    weights,
    matmuls,
    softCap,
    logprobs: sampler.logprobs,
    x: slice.group.x,
    rowCountMax: SLICE_TOKEN_COUNT,
  });
  return { ids, sampler, scorer, decode, slice, lastRow, matmuls };
}
