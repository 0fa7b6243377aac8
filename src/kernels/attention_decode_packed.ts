import source from "../../shaders/attention_decode_packed.wgsl" with { type: "text" };
import { KEY, type RecordLayout, VALUE } from "../codec/layout.ts";
import { invariant } from "../core/errors.ts";
import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
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
import { tokenCodeText, windowShape, windowsText } from "./text/packed_windows.ts";

/** What {@link AttentionDecodePackedKernel} is compiled for. */
export interface AttentionDecodePackedOptions {
  shape: AttentionShape;
  splits: SplitShape;
  /** Layout of the records; its heads are those of `shape`. */
  layout: RecordLayout;
  /** Sealed blocks a slot's part of the directory has room for. */
  blockCountMax: number;
}

/** Buffers of one use of {@link AttentionDecodePackedKernel}. */
export interface AttentionDecodePackedBuffers {
  /** f32 `[rows, queryHeadCount * headSize]`, after RoPE, not scaled. */
  q: GPUBuffer | BufferSlice;
  /** vec4<u32> `[rows]`: slot, position, sealed blocks, -. */
  rows: GPUBuffer | BufferSlice;
  /** Arena of the layer's group: records. */
  arena: GPUBuffer | BufferSlice;
  /** u32 `[slot][blockCountMax]`: the layer's word offsets in the arena. */
  directory: GPUBuffer | BufferSlice;
  /** f32 `[row][query head][splitCountMax][headSize + 2]`: m, l, o. */
  partials: GPUBuffer | BufferSlice;
}

/** Attention of single rows over packed blocks, as partial results per split. arXiv:2512.24449. */
export class AttentionDecodePackedKernel {
  #gpu: Gpu;
  #pipeline: GPUComputePipeline;
  #kvHeadCount: number;

  private constructor(gpu: Gpu, pipeline: GPUComputePipeline, kvHeadCount: number) {
    this.#gpu = gpu;
    this.#pipeline = pipeline;
    this.#kvHeadCount = kvHeadCount;
  }

  /** Compiles for one shape and record layout. */
  static async create(
    gpu: Gpu,
    options: AttentionDecodePackedOptions,
  ): Promise<AttentionDecodePackedKernel> {
    const { shape, layout } = options;
    invariant(layout.kvHeadCount === shape.kvHeadCount, "the layout has the shape's KV heads");
    invariant(layout.headSize === shape.headSize, "the layout has the shape's head size");
    const code = kernelText(options, chooseLanes(gpu));
    const pipeline = await gpu.createPipeline({ label: "attention_decode_packed", code });
    return new AttentionDecodePackedKernel(gpu, pipeline, shape.kvHeadCount);
  }

  /** Binds buffers; do it at load, not in the step loop. */
  bind(buffers: AttentionDecodePackedBuffers): GPUBindGroup {
    const { q, rows, arena, directory, partials } = buffers;
    return this.#gpu.bind(this.#pipeline, [q, rows, arena, partials, directory]);
  }

  /**
   * Records `rowCount` rows.
   *
   * @param splitCount Most splits of sealed blocks of a row.
   */
  record(
    pass: GPUComputePassEncoder,
    bound: GPUBindGroup,
    grid: { rowCount: number; splitCount: number },
  ): void {
    if (grid.splitCount === 0) return;
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(0, bound);
    pass.dispatchWorkgroups(this.#kvHeadCount, grid.splitCount, grid.rowCount);
  }
}

function kernelText(options: AttentionDecodePackedOptions, lanes: Lanes): string {
  const { shape, splits, layout } = options;
  const group = headGroup(shape);
  const keys = windowShape(layout.packSize, layout.keyBits);
  const values = windowShape(layout.packSize, layout.valueBits);
  const constants = constantLines({
    ...attentionConstants(shape, splits),
    BLOCK_COUNT_MAX: options.blockCountMax,
    LANE_COUNT: lanes.count,
    PACK_SIZE: layout.packSize,
    PACK_ROWS: layout.rowCount,
    UNIT_TOKENS: keys.unitTokens,
    UNITS_PER_BLOCK: BLOCK_TOKEN_COUNT / keys.unitTokens,
    SPLIT_TOKENS: splits.blocksPerSplit * BLOCK_TOKEN_COUNT,
    SECTION_PART_COUNT: splits.blocksPerSplit * layout.rowCount * layout.planeWords,
    KEY_BITS: layout.keyBits,
    KEY_WIDTH_BITS: layout.widthBits(KEY),
    KEY_MINIMA_WORD: layout.minimaWord(KEY),
    KEY_PAYLOAD_WORD: layout.payloadWord(KEY),
    KEY_PARAMS_WORD: layout.paramsWord(KEY),
    VALUE_BITS: layout.valueBits,
    VALUE_WIDTH_BITS: layout.widthBits(VALUE),
    VALUE_MINIMA_WORD: layout.minimaWord(VALUE),
    VALUE_PAYLOAD_WORD: layout.payloadWord(VALUE),
    VALUE_PARAMS_WORD: layout.paramsWord(VALUE),
    VALUE_WORD_TOKENS: values.wordTokens,
  });
  const main = expandTemplate(source, {
    q: group.vectorCount,
    n: keys.unitTokens / 8,
    c: 8,
    h: values.wordsPerEight,
    t: values.wordTokens,
    k: layout.widthBits(KEY),
    v: layout.widthBits(VALUE),
    d: 32 / lanes.count,
    p: Math.log2(lanes.count),
    o: 3,
  });
  return [
    main,
    constants,
    headsText(group),
    windowsText("key", keys, layout.keyBits),
    tokenCodeText("key", keys),
    windowsText("value", values, layout.valueBits),
    lanes.text,
  ].join("\n");
}
