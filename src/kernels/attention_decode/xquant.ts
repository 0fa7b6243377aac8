import codes from "../../../shaders/lib/xquant_codes.wgsl" with { type: "text" };
import rawTile from "../../../shaders/lib/kv_raw_tile.wgsl" with { type: "text" };
import source from "../../../shaders/attention_decode/xquant.wgsl" with { type: "text" };
import type { XquantLayout } from "../../codec/xquant/layout.ts";
import { invariant } from "../../core/errors.ts";
import type { AdapterFacts, BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantLines, expandTemplate } from "../../gpu/wgsl_template.ts";
import {
  attentionConstants,
  type AttentionShape,
  headGroup,
  headsText,
  type SplitShape,
} from "../text/attention.ts";
import { chooseLanes } from "../text/lanes.ts";
import { ROW_TEXT } from "../text/row.ts";
import { xquantConstants } from "../text/xquant.ts";
import type { AttentionDecodePaperBuffers } from "./paper.ts";
import { ATTENTION_DECODE_VARIANTS } from "./variants.ts";

/** What {@link AttentionDecodeXquantKernel} is compiled for. */
export interface AttentionDecodeXquantOptions {
  shape: AttentionShape;
  splits: SplitShape;
  /** Layout of the records; its heads are those of `shape`. */
  layout: XquantLayout;
}

/** Buffers of {@link AttentionDecodeXquantKernel}. */
export interface AttentionDecodeXquantBuffers extends AttentionDecodePaperBuffers {
  /** u32 `[1]`: from a record to the codes it is read with, `layout.codeStart` modulo 2^32. */
  codeStart: GPUBuffer | BufferSlice;
}

/** Attention of single rows over XQuant blocks, as partial results per split. */
export class AttentionDecodeXquantKernel {
  #kernel: Kernel;
  #kvHeadCount: number;

  private constructor(kernel: Kernel, kvHeadCount: number) {
    this.#kernel = kernel;
    this.#kvHeadCount = kvHeadCount;
  }

  /** Compiles for one shape and record layout. */
  static async create(
    gpu: Gpu,
    options: AttentionDecodeXquantOptions,
    facts: AdapterFacts = gpu.facts,
  ): Promise<AttentionDecodeXquantKernel> {
    const { shape, splits, layout } = options;
    invariant(layout.kvHeadCount === shape.kvHeadCount, "the layout has the shape's KV heads");
    invariant(layout.headSize === shape.headSize, "the layout has the shape's head size");
    const lanes = chooseLanes("attention_decode/xquant", ATTENTION_DECODE_VARIANTS, facts);
    const group = headGroup(shape);
    const constants = constantLines({
      ...attentionConstants(shape, splits),
      ...xquantConstants(layout),
      LANE_COUNT: lanes.count,
    });
    const main = expandTemplate(source, { heads: group.vectorCount });
    const parts = [main, constants, headsText(group, shape), codes, rawTile, ROW_TEXT, lanes.text];
    const code = parts.join("\n");
    const kernel = await Kernel.create(gpu, { label: "attention_decode/xquant", code });
    return new AttentionDecodeXquantKernel(kernel, shape.kvHeadCount);
  }

  /** Binds buffers. */
  bind(buffers: AttentionDecodeXquantBuffers): GPUBindGroup {
    const { q, rows, arena, directory, partials, codeStart } = buffers;
    return this.#kernel.bind({ q, rows, arena, partials, directory, code_start: codeStart });
  }

  /**
   * Encodes `rowCount` rows.
   *
   * @param splitCount Most splits of sealed blocks of a row.
   */
  encode(
    pass: GPUComputePassEncoder,
    bound: GPUBindGroup,
    grid: { rowCount: number; splitCount: number },
  ): void {
    if (grid.splitCount === 0) return;
    this.#kernel.dispatch(pass, bound, this.#kvHeadCount, grid.splitCount, grid.rowCount);
  }
}
