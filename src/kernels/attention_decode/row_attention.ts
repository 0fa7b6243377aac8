/**
 * What the kernels of attention of single rows share: what they are compiled for and bind, how
 * those over records are compiled, and how they are dispatched.
 *
 * @module
 */

import type { HeadShape } from "../../codec/raw_tile.ts";
import { invariant } from "../../core/errors.ts";
import type { AdapterFacts, BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import type { AttentionShape, SplitShape } from "../text/attention.ts";
import { chooseLanes, type Lanes } from "../text/lanes.ts";
import { type TeamShape, textInRounds } from "../text/teams.ts";
import { ATTENTION_DECODE_TEAM_VARIANTS } from "./variants.ts";

/** What a kernel over records is compiled for. */
export interface RecordAttentionOptions<Layout extends HeadShape> {
  shape: AttentionShape;
  splits: SplitShape;
  /** Layout of the records; its heads are those of `shape`. */
  layout: Layout;
}

/** Buffers of one use of a kernel over records. */
export interface RecordAttentionBuffers {
  /** f32 `[rows, queryHeadCount * headSize]`, after RoPE, not scaled. */
  q: GPUBuffer | BufferSlice;
  /** u32 `[rows][ROW_WORDS]`. */
  rows: GPUBuffer | BufferSlice;
  /** Arena of the layer's group: records. */
  arena: GPUBuffer | BufferSlice;
  /** u32 `[entries][ENTRY_WORDS]`: read lists of records in the arena. */
  directory: GPUBuffer | BufferSlice;
  /** f32 `[row][query head][splitCountMax][headSize + 2]`: m, l, o. */
  partials: GPUBuffer | BufferSlice;
}

/** How the text of a kernel over records is made. */
export interface RecordText {
  /** Of the kernel, and the operation that lanes are chosen for. */
  label: string;
  /** Most blocks of a round of one team; those of a split if left out. */
  blocksPerRoundMax?: number;
  textOf: (lanes: Lanes, teams: TeamShape) => string;
}

/** Compiles a kernel over records, whose blocks go to teams where an adapter has any. */
export async function recordKernel(
  gpu: Gpu,
  options: RecordAttentionOptions<HeadShape>,
  { facts, label, textOf, ...own }: RecordText & { facts: AdapterFacts },
): Promise<Kernel> {
  const { shape, splits: { blocksPerSplit }, layout } = options;
  invariant(layout.kvHeadCount === shape.kvHeadCount, "the layout has the shape's KV heads");
  invariant(layout.headSize === shape.headSize, "the layout has the shape's head size");
  const lanes = chooseLanes(label, ATTENTION_DECODE_TEAM_VARIANTS, facts);
  const ofLanes = (teams: TeamShape) => textOf(lanes, teams);
  const code = textInRounds(label, facts, { lanes, blocksPerSplit, ...own, textOf: ofLanes });
  return await Kernel.create(gpu, { label, code });
}

/** A compiled kernel with a workgroup for each KV head, split and row. */
export abstract class RowAttention {
  protected readonly kernel: Kernel;
  readonly #kvHeadCount: number;

  protected constructor(kernel: Kernel, { kvHeadCount }: AttentionShape) {
    this.kernel = kernel;
    this.#kvHeadCount = kvHeadCount;
  }

  /**
   * Encodes `rowCount` rows.
   *
   * @param splitCount Most splits of a row: of its sealed blocks, or tiles of its window.
   */
  encode(
    pass: GPUComputePassEncoder,
    bound: GPUBindGroup,
    { rowCount, splitCount }: { rowCount: number; splitCount: number },
  ): void {
    if (splitCount === 0) return;
    this.kernel.dispatch(pass, bound, this.#kvHeadCount, splitCount, rowCount);
  }
}
