import codes from "../../../shaders/lib/int8_codes.wgsl" with { type: "text" };
import source from "../../../shaders/attention_decode/int8.wgsl" with { type: "text" };
import { type Int8Layout, SCALE_WORDS } from "../../codec/int8/layout.ts";
import { invariant } from "../../core/errors.ts";
import type { AdapterFacts, Gpu } from "../../gpu/gpu.ts";
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
import { READING_ROW_TEXT } from "../text/row.ts";
import type { AttentionDecodePaperBuffers } from "./paper.ts";
import { ATTENTION_DECODE_VARIANTS } from "./variants.ts";

/** What {@link AttentionDecodeInt8Kernel} is compiled for. */
export interface AttentionDecodeInt8Options {
  shape: AttentionShape;
  splits: SplitShape;
  /** Layout of the records; its heads are those of `shape`. */
  layout: Int8Layout;
}

/** Attention of single rows over int8 blocks, as partial results per split. */
export class AttentionDecodeInt8Kernel {
  #kernel: Kernel;
  #kvHeadCount: number;

  private constructor(kernel: Kernel, kvHeadCount: number) {
    this.#kernel = kernel;
    this.#kvHeadCount = kvHeadCount;
  }

  /** Compiles for one shape and record layout. */
  static async create(
    gpu: Gpu,
    options: AttentionDecodeInt8Options,
    facts: AdapterFacts = gpu.facts,
  ): Promise<AttentionDecodeInt8Kernel> {
    const { shape, splits, layout } = options;
    invariant(layout.kvHeadCount === shape.kvHeadCount, "the layout has the shape's KV heads");
    invariant(layout.headSize === shape.headSize, "the layout has the shape's head size");
    const lanes = chooseLanes("attention_decode/int8", ATTENTION_DECODE_VARIANTS, facts);
    const group = headGroup(shape);
    const constants = constantLines({
      ...attentionConstants(shape, splits),
      LANE_COUNT: lanes.count,
      SCALE_WORDS,
      SECTION_WORDS: layout.sectionWords,
    });
    const main = expandTemplate(source, { heads: group.vectorCount });
    const code = [main, constants, headsText(group, shape), codes, READING_ROW_TEXT, lanes.text]
      .join("\n");
    const kernel = await Kernel.create(gpu, { label: "attention_decode/int8", code });
    return new AttentionDecodeInt8Kernel(kernel, shape.kvHeadCount);
  }

  /** Binds buffers. */
  bind(buffers: AttentionDecodePaperBuffers): GPUBindGroup {
    const { q, rows, arena, directory, partials } = buffers;
    return this.#kernel.bind({ q, rows, arena, partials, directory });
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
