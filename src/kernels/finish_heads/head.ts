import source from "../../../shaders/finish_heads/head.wgsl" with { type: "text" };
import appendText from "../../../shaders/lib/head_append.wgsl" with { type: "text" };
import { WINDOW_TILE_COUNT } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { BLOCK_TEXT } from "../text/block.ts";
import { ROW_TEXT } from "../text/row.ts";

/** What a {@link FinishHeadsKernel} is compiled for. */
export interface FinishHeadsOptions {
  queryHeadCount: number;
  /** 0 if the row's keys and values are those of another layer; then nothing is appended. */
  kvHeadCount: number;
  /** A multiple of 4. */
  headSize: number;
  /**
   * RMSNorm of queries and keys: one root mean square of each head, or of all query heads and of
   * all key heads of a row; none if null.
   */
  norm: { over: "head" | "row"; epsilon: number } | null;
  /** Epsilon of a norm of each value head, without weights; none if null or left out. */
  valueEpsilon?: number | null;
  /** Queries at position p are multiplied by `1 + factor * ln(1 + floor(p / length))`. */
  temperature?: { factor: number; length: number } | null;
  /** Tiles of a slot in the window; 4 if left out. */
  tileCount?: number;
}

/** Buffers of one use of a {@link FinishHeadsKernel}. */
export interface FinishHeadsBuffers {
  /** f32 `[rows, queryHeadCount + 2 * kvHeadCount, headSize]`: query, key and value heads. */
  heads: GPUBuffer | BufferSlice;
  /** f32 `[queryHeadCount + 2 * kvHeadCount, headSize]`, added first. */
  shifts: GPUBuffer | BufferSlice;
  /** f32 `[queryHeadCount + kvHeadCount, headSize]`: factors of queries and keys after the norm. */
  gains: GPUBuffer | BufferSlice;
  /** f32 `[rows, queryHeadCount, headSize]`: the queries. */
  y: GPUBuffer | BufferSlice;
  /** f32 `[rows, headSize / 2, 2]`, cosine and sine of each pair of channels. */
  rope: GPUBuffer | BufferSlice;
  /** u32 `[rows][ROW_WORDS]`. */
  rows: GPUBuffer | BufferSlice;
  /** u32 `[slots, tileCount, tileWords]` of one layer. */
  window: GPUBuffer | BufferSlice;
}

const NORM_OVER = { head: 1, row: 2 } as const;

/** Biases, norms, RoPE and the window's append for heads that are more than products. */
export class FinishHeadsKernel {
  #kernel: Kernel;
  #headCount: number;

  private constructor(kernel: Kernel, headCount: number) {
    this.#kernel = kernel;
    this.#headCount = headCount;
  }

  /** Compiles for heads of one shape and norm. */
  static async create(gpu: Gpu, options: FinishHeadsOptions): Promise<FinishHeadsKernel> {
    const { queryHeadCount, kvHeadCount, headSize, norm, temperature } = options;
    const { tileCount = WINDOW_TILE_COUNT, valueEpsilon = null } = options;
    const code = [source, appendText, ROW_TEXT, BLOCK_TEXT].join("\n");
    const constants = {
      QUERY_HEAD_COUNT: queryHeadCount,
      KV_HEAD_COUNT: kvHeadCount,
      HEAD_SIZE: headSize,
      WINDOW_TILE_COUNT: tileCount,
      NORM_OVER: norm === null ? 0 : NORM_OVER[norm.over],
      EPSILON: norm?.epsilon ?? 0,
      NORMS_VALUES: valueEpsilon === null ? 0 : 1,
      VALUE_EPSILON: valueEpsilon ?? 0,
      TEMPERATURE_FACTOR: temperature?.factor ?? 0,
      TEMPERATURE_LENGTH: temperature?.length ?? 1,
    };
    const kernel = await Kernel.create(gpu, { label: "finish_heads", code, constants });
    return new FinishHeadsKernel(kernel, queryHeadCount + 2 * kvHeadCount);
  }

  /** Binds buffers. */
  bind(buffers: FinishHeadsBuffers): GPUBindGroup {
    const { heads, shifts, gains, y, rope, rows, window } = buffers;
    return this.#kernel.bind({ heads, shifts, gains, y, rope, rows, window });
  }

  /** Encodes `rowCount` rows. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, rowCount: number): void {
    this.#kernel.dispatch(pass, bound, this.#headCount, rowCount);
  }
}
