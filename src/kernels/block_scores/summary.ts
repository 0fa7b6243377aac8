import source from "../../../shaders/block_scores/summary.wgsl" with { type: "text" };
import { divCeil, divExact } from "../../core/shapes.ts";
import type { AdapterFacts, BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantLines, expandTemplate } from "../../gpu/wgsl_template.ts";
import type { SummaryKind } from "../block_summary/sources.ts";
import { type AttentionShape, headGroup, largestText, queriesText } from "../text/attention.ts";
import { chooseLanes } from "../text/lanes.ts";
import { ROW_TEXT } from "../text/row.ts";
import { BLOCK_SCORES_VARIANTS } from "./variants.ts";

/** What {@link BlockScoresKernel} is compiled for. */
export interface BlockScoresOptions {
  shape: AttentionShape;
  kind: SummaryKind;
  /** Entries of a read list that scores have room for. */
  listCountMax: number;
}

/** Buffers of one use of {@link BlockScoresKernel}. */
export interface BlockScoresBuffers {
  /** f32 `[rows, queryHeadCount * headSize]`, after RoPE, not scaled. */
  q: GPUBuffer | BufferSlice;
  /** u32 `[rows][ROW_WORDS]`. */
  rows: GPUBuffer | BufferSlice;
  /** u32 `[entries][kvHeadCount][headSize]` of the store: pairs of f16. */
  summaries: GPUBuffer | BufferSlice;
  /** f32 `[rows][kvHeadCount][listCountMax]`. */
  scores: GPUBuffer | BufferSlice;
}

/** Blocks that a workgroup scores, one after the other. */
const BLOCKS_AT_A_TIME = 8;

/** Scores the blocks that rows may read by what is kept of them. */
export class BlockScoresKernel {
  #kernel: Kernel;
  #kvHeadCount: number;

  private constructor(kernel: Kernel, kvHeadCount: number) {
    this.#kernel = kernel;
    this.#kvHeadCount = kvHeadCount;
  }

  /** Compiles for one shape and kind. */
  static async create(
    gpu: Gpu,
    options: BlockScoresOptions,
    facts: AdapterFacts = gpu.facts,
  ): Promise<BlockScoresKernel> {
    const { shape, kind, listCountMax } = options;
    const { kvHeadCount, queryHeadCount, headSize } = shape;
    const group = headGroup(shape);
    const lanes = chooseLanes("block_scores", BLOCK_SCORES_VARIANTS, facts);
    const code = [
      expandTemplate(source, {
        queries: group.vectorCount,
        has_ranges: kind === "range" ? 1 : 0,
      }),
      constantLines({
        D: headSize,
        QUERY_SIZE: headSize,
        KV_HEAD_COUNT: kvHeadCount,
        QUERY_HEAD_COUNT: queryHeadCount,
        GROUP_SIZE: divExact(queryHeadCount, kvHeadCount),
        LANE_COUNT: lanes.count,
        BLOCKS_AT_A_TIME,
        LIST_MAX: listCountMax,
      }),
      queriesText(group),
      largestText(group),
      ROW_TEXT,
      lanes.text,
    ].join("\n");
    const kernel = await Kernel.create(gpu, { label: `block_scores ${kind}`, code });
    return new BlockScoresKernel(kernel, kvHeadCount);
  }

  /** Binds buffers. */
  bind(buffers: BlockScoresBuffers): GPUBindGroup {
    return this.#kernel.bind({ ...buffers });
  }

  /** Encodes `rowCount` rows, of which each may read up to `listCount` records. */
  encode(
    pass: GPUComputePassEncoder,
    bound: GPUBindGroup,
    { rowCount, listCount }: { rowCount: number; listCount: number },
  ): void {
    if (listCount === 0) return;
    const groupCount = divCeil(listCount, BLOCKS_AT_A_TIME);
    this.#kernel.dispatch(pass, bound, groupCount, this.#kvHeadCount, rowCount);
  }
}
