import source from "../../../shaders/finish_latent/row.wgsl" with { type: "text" };
import appendText from "../../../shaders/lib/head_append.wgsl" with { type: "text" };
import { invariant } from "../../core/errors.ts";
import { WINDOW_TILE_COUNT } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { BLOCK_TEXT } from "../text/block.ts";
import { ROW_TEXT } from "../text/row.ts";

/** What a {@link FinishLatentKernel} is compiled for. */
export interface FinishLatentOptions {
  queryHeadCount: number;
  /** Channels of half a latent, with the zeros behind it; a multiple of 32. */
  headSize: number;
  /** Channels of a latent without its turned key; a multiple of 4. */
  rank: number;
  /** Channels of the turned key; a multiple of 4, at most `headSize`. */
  turnedSize: number;
  /** Of queries. */
  scale: number;
  /** Of the norm of latents. */
  epsilon: number;
  /** Whether the layer makes a latent; otherwise it reads that of another. */
  makesLatent: boolean;
  /** Tiles of a slot in the window; 3 if left out. */
  tileCount?: number;
}

/** Buffers of one use of a {@link FinishLatentKernel}. */
export interface FinishLatentBuffers {
  /** f32 `[rows, queryHeadCount, rank]`: queries times what makes keys of latents. */
  absorbed: GPUBuffer | BufferSlice;
  /** f32 `[rows, queryHeadCount, turnedSize]`. */
  turnedParts: GPUBuffer | BufferSlice;
  /** f32 `[rows, rank + turnedSize]`: before norm and RoPE. */
  latents: GPUBuffer | BufferSlice;
  /** f32 `[rank]`: weights of the norm. */
  gains: GPUBuffer | BufferSlice;
  /** f32 `[rows, queryHeadCount, 2 * headSize]`: the queries. */
  y: GPUBuffer | BufferSlice;
  /** f32 `[rows, headSize / 2, 2]`, cosine and sine of each pair of channels. */
  rope: GPUBuffer | BufferSlice;
  /** u32 `[rows][ROW_WORDS]`. */
  rows: GPUBuffer | BufferSlice;
  /** u32 `[slots, tileCount, tileWords]` of the latent's store. */
  window: GPUBuffer | BufferSlice;
}

/** RoPE, norm and the window's append of latents, and their queries. */
export class FinishLatentKernel {
  #kernel: Kernel;
  #groupCount: number;

  private constructor(kernel: Kernel, groupCount: number) {
    this.#kernel = kernel;
    this.#groupCount = groupCount;
  }

  /** Compiles for latents of one shape. */
  static async create(gpu: Gpu, options: FinishLatentOptions): Promise<FinishLatentKernel> {
    const { queryHeadCount, headSize, rank, turnedSize, scale, epsilon, makesLatent } = options;
    invariant(rank % 4 === 0 && turnedSize % 4 === 0, "threads take 4 channels");
    invariant(turnedSize <= headSize, "the turned key is in the first half");
    invariant(rank + turnedSize <= 2 * headSize, "a latent has room");
    const { tileCount = WINDOW_TILE_COUNT } = options;
    const code = [source, appendText, ROW_TEXT, BLOCK_TEXT].join("\n");
    const constants = {
      QUERY_HEAD_COUNT: queryHeadCount,
      KV_HEAD_COUNT: 1,
      HEAD_SIZE: headSize,
      RANK: rank,
      TURNED_SIZE: turnedSize,
      SCALE: scale,
      EPSILON: epsilon,
      WINDOW_TILE_COUNT: tileCount,
    };
    const kernel = await Kernel.create(gpu, { label: "finish_latent", code, constants });
    return new FinishLatentKernel(kernel, queryHeadCount + (makesLatent ? 1 : 0));
  }

  /** Binds buffers. */
  bind(buffers: FinishLatentBuffers): GPUBindGroup {
    const { turnedParts, ...named } = buffers;
    return this.#kernel.bind({ ...named, turned_parts: turnedParts });
  }

  /** Encodes `rowCount` rows. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, rowCount: number): void {
    this.#kernel.dispatch(pass, bound, this.#groupCount, rowCount);
  }
}
