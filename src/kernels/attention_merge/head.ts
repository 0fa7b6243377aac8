import source from "../../../shaders/attention_merge/head.wgsl" with { type: "text" };
import { ROW_TEXT } from "../text/row.ts";
import type { AdapterFacts, BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { divCeil } from "../../core/shapes.ts";
import { constantLines, expandTemplate } from "../../gpu/wgsl_template.ts";
import {
  attentionConstants,
  type AttentionShape,
  querySize,
  type SplitShape,
} from "../text/attention.ts";
import { chooseLanes } from "../text/lanes.ts";
import { ATTENTION_MERGE_VARIANTS } from "./variants.ts";

/** Buffers of one use of {@link AttentionMergeKernel}. */
export interface AttentionMergeBuffers {
  /** u32 `[rows][ROW_WORDS]`. */
  rows: GPUBuffer | BufferSlice;
  /** f32 `[row][query head][splitCountMax][channels + 2]`: m, l, o. */
  partials: GPUBuffer | BufferSlice;
  /** f32 `[rows, queryHeadCount, channels that are wanted]`. */
  out: GPUBuffer | BufferSlice;
  /** f32 `[queryHeadCount]`: scores that take weight but have no value; with sinks. */
  sinks?: GPUBuffer | BufferSlice;
}

/** Pairs of channels that a lane sums side by side. */
const PAIRS_AT_A_TIME_MAX = 8;

/** Splits whose results a lane loads before it adds the first: a GPU waits for each load. */
const SPLITS_AT_A_TIME = { cpu: 1, gpu: 4 } as const;

/** Joins the partial results of attention: those of the sealed blocks, then the window's. */
export class AttentionMergeKernel {
  #kernel: Kernel;
  #shape: AttentionShape;

  private constructor(kernel: Kernel, shape: AttentionShape) {
    this.#kernel = kernel;
    this.#shape = shape;
  }

  /** Compiles for the shape and splits of the kernels that write the partials. */
  static async create(
    gpu: Gpu,
    options: {
      shape: AttentionShape;
      splits: SplitShape;
      hasSinks?: boolean;
      /** Channels that are wanted of what a query gets, both even; all if left out. */
      wanted?: { first: number; count: number };
    },
    facts: AdapterFacts = gpu.facts,
  ): Promise<AttentionMergeKernel> {
    const { shape, splits, hasSinks = false } = options;
    const { wanted = { first: 0, count: querySize(shape) } } = options;
    const lanes = chooseLanes("attention_merge", ATTENTION_MERGE_VARIANTS, facts);
    const pairsAtATime = Math.min(PAIRS_AT_A_TIME_MAX, divCeil(wanted.count / 2, lanes.count));
    const splitsAtATime = SPLITS_AT_A_TIME[facts.isFallback ? "cpu" : "gpu"];
    const code = [
      expandTemplate(source, {
        pair: pairsAtATime,
        ahead: splitsAtATime,
        has_sinks: hasSinks ? 1 : 0,
      }),
      constantLines({
        ...attentionConstants(shape, splits),
        LANE_COUNT: lanes.count,
        OUT_FIRST: wanted.first,
        OUT_SIZE: wanted.count,
        PAIRS_AT_A_TIME: pairsAtATime,
        SPLITS_AT_A_TIME: splitsAtATime,
      }),
      "alias Heads = vec2<f32>; // what the lanes' text can also exchange\n",
      ROW_TEXT,
      lanes.text,
    ].join("\n");
    const kernel = await Kernel.create(gpu, { label: "attention_merge", code });
    return new AttentionMergeKernel(kernel, shape);
  }

  /** Binds buffers. */
  bind(buffers: AttentionMergeBuffers): GPUBindGroup {
    return this.#kernel.bind({ ...buffers });
  }

  /** Encodes `rowCount` rows. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, rowCount: number): void {
    this.#kernel.dispatch(pass, bound, this.#shape.queryHeadCount, rowCount);
  }
}
