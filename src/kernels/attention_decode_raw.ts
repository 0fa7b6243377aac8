import source from "../../shaders/attention_decode_raw.wgsl" with { type: "text" };
import fromArena from "../../shaders/lib/attention_source_arena.wgsl" with { type: "text" };
import fromWindow from "../../shaders/lib/attention_source_window.wgsl" with { type: "text" };
import { rawTileWords } from "../codec/layout.ts";
import { invariant } from "../core/errors.ts";
import { BLOCK_TOKEN_COUNT, WINDOW_TILE_COUNT } from "../core/shapes.ts";
import type { BufferSlice, Gpu } from "../gpu/gpu.ts";
import { constantLines, expandTemplate } from "../gpu/wgsl_template.ts";
import {
  attentionConstants,
  type AttentionShape,
  chooseLanes,
  headGroup,
  headsText,
  type Lanes,
  type SplitShape,
} from "./text/attention.ts";

/** What {@link AttentionDecodeRawKernel} is compiled for. */
export interface AttentionDecodeRawOptions {
  shape: AttentionShape;
  splits: SplitShape;
  /** `window`: tiles of the ring, one split each. `arena`: sealed raw tiles, profile `exact`. */
  source: "window" | "arena";
  /** Sealed blocks a slot's part of the directory has room for; of `arena` only. */
  blockCountMax: number;
}

/** Buffers of one use of {@link AttentionDecodeRawKernel}. */
export interface AttentionDecodeRawBuffers {
  /** f32 `[rows, queryHeadCount * headSize]`, after RoPE, not scaled. */
  q: GPUBuffer | BufferSlice;
  /** vec4<u32> `[rows]`: slot, position, sealed blocks, -. */
  rows: GPUBuffer | BufferSlice;
  /** The layer's window, or the arena of its group. */
  tiles: GPUBuffer | BufferSlice;
  /** u32 `[slot][blockCountMax]`: the layer's word offsets in the arena; of `arena` only. */
  directory?: GPUBuffer | BufferSlice;
  /** f32 `[row][query head][splitCountMax][headSize + 2]`: m, l, o. */
  partials: GPUBuffer | BufferSlice;
}

/** Tokens of a lane whose scores are summed side by side. */
const TOKENS_AT_A_TIME_MAX = 4;

/** Attention of single rows over raw tiles, as partial results per split. */
export class AttentionDecodeRawKernel {
  #gpu: Gpu;
  #pipeline: GPUComputePipeline;
  #options: AttentionDecodeRawOptions;

  private constructor(
    gpu: Gpu,
    pipeline: GPUComputePipeline,
    options: AttentionDecodeRawOptions,
  ) {
    this.#gpu = gpu;
    this.#pipeline = pipeline;
    this.#options = options;
  }

  /** Compiles for one shape and source. */
  static async create(
    gpu: Gpu,
    options: AttentionDecodeRawOptions,
  ): Promise<AttentionDecodeRawKernel> {
    const code = kernelText(options, chooseLanes(gpu));
    const label = `attention_decode_raw ${options.source}`;
    return new AttentionDecodeRawKernel(gpu, await gpu.createPipeline({ label, code }), options);
  }

  /** Binds buffers; do it at load, not in the step loop. */
  bind(buffers: AttentionDecodeRawBuffers): GPUBindGroup {
    const { q, rows, tiles, directory, partials } = buffers;
    const needsDirectory = this.#options.source === "arena";
    invariant((directory !== undefined) === needsDirectory, "an arena has a directory");
    const resources = [q, rows, tiles, partials];
    if (directory) resources.push(directory);
    return this.#gpu.bind(this.#pipeline, resources);
  }

  /**
   * Records `rowCount` rows.
   *
   * @param splitCount Most splits of a row: of its sealed blocks, or tiles of its window.
   */
  record(
    pass: GPUComputePassEncoder,
    bound: GPUBindGroup,
    grid: { rowCount: number; splitCount: number },
  ): void {
    if (grid.splitCount === 0) return;
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(0, bound);
    pass.dispatchWorkgroups(this.#options.shape.kvHeadCount, grid.splitCount, grid.rowCount);
  }
}

function kernelText(options: AttentionDecodeRawOptions, lanes: Lanes): string {
  const { shape, splits } = options;
  const group = headGroup(shape);
  const isWindow = options.source === "window";
  const tokensAtATime = Math.min(TOKENS_AT_A_TIME_MAX, BLOCK_TOKEN_COUNT / lanes.count);
  // Lanes that share a token: a power of two that divides its groups of 8 channels.
  const columnCount = shape.headSize / 8;
  const span = Math.min(lanes.count, columnCount & -columnCount);
  const constants = constantLines({
    ...attentionConstants(shape, splits),
    BLOCK_COUNT_MAX: options.blockCountMax,
    LANE_COUNT: lanes.count,
    SPAN: span,
    SPLIT_TOKENS: (isWindow ? 1 : splits.blocksPerSplit) * BLOCK_TOKEN_COUNT,
    TILE_WORDS: rawTileWords(shape),
    TOKENS_AT_A_TIME: tokensAtATime,
    WINDOW_TILE_COUNT,
  });
  const main = expandTemplate(source, {
    q: group.vectorCount,
    t: tokensAtATime,
    w: 4,
    c: 8,
    i: 8 / (lanes.count / span),
    p: Math.log2(lanes.count),
    g: Math.log2(lanes.count / span),
  });
  return [main, constants, headsText(group), isWindow ? fromWindow : fromArena, lanes.text]
    .join("\n");
}
