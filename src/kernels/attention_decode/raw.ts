import source from "../../../shaders/attention_decode/raw.wgsl" with { type: "text" };
import { invariant } from "../../core/errors.ts";
import type { AdapterFacts, BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { type AttentionShape, headGroup, type SplitShape } from "../text/attention.ts";
import { chooseLanes } from "../text/lanes.ts";
import { rawTilesText } from "../text/raw_tiles.ts";
import { RowAttention } from "./row_attention.ts";
import { ATTENTION_DECODE_TEAM_VARIANTS, ATTENTION_DECODE_VARIANTS } from "./variants.ts";

/** What {@link AttentionDecodeRawKernel} is compiled for. */
export interface AttentionDecodeRawOptions {
  shape: AttentionShape;
  splits: SplitShape;
  /** `window`: tiles of the ring, one split each. `arena`: sealed raw tiles, profile `exact`. */
  source: "window" | "arena";
  /** Of source `window`: tiles of a slot; 3 if left out. */
  tileCount?: number;
}

/** Buffers of one use of {@link AttentionDecodeRawKernel}. */
export interface AttentionDecodeRawBuffers {
  /** f32 `[rows, queryHeadCount * headSize]`, after RoPE, not scaled. */
  q: GPUBuffer | BufferSlice;
  /** u32 `[rows][ROW_WORDS]`. */
  rows: GPUBuffer | BufferSlice;
  /** The layer's window, or the arena of its group. */
  tiles: GPUBuffer | BufferSlice;
  /** u32 `[entries][ENTRY_WORDS]`: read lists; the window has none. */
  directory?: GPUBuffer | BufferSlice;
  /** f32 `[row][query head][splitCountMax][headSize + 2]`: m, l, o. */
  partials: GPUBuffer | BufferSlice;
}

/** How lanes exchange values, by source: a split of the window is one tile, for one team. */
export const RAW_LANES = {
  window: { operation: "attention_decode/raw window", variants: ATTENTION_DECODE_VARIANTS },
  arena: { operation: "attention_decode/raw arena", variants: ATTENTION_DECODE_TEAM_VARIANTS },
} as const;

/** Attention of single rows over raw tiles, as partial results per split. */
export class AttentionDecodeRawKernel extends RowAttention {
  #source: "window" | "arena";

  private constructor(kernel: Kernel, { shape, source }: AttentionDecodeRawOptions) {
    super(kernel, shape);
    this.#source = source;
  }

  /** Compiles for one shape and source. */
  static async create(
    gpu: Gpu,
    options: AttentionDecodeRawOptions,
    facts: AdapterFacts = gpu.facts,
  ): Promise<AttentionDecodeRawKernel> {
    const group = headGroup(options.shape);
    const { operation: label, variants } = RAW_LANES[options.source];
    const lanes = chooseLanes(label, variants, facts);
    const code = source + rawTilesText({ ...options, sourceBinding: 4 }, { group, lanes, facts });
    return new AttentionDecodeRawKernel(await Kernel.create(gpu, { label, code }), options);
  }

  /** Binds buffers. */
  bind(buffers: AttentionDecodeRawBuffers): GPUBindGroup {
    const { q, rows, tiles, directory, partials } = buffers;
    const needsDirectory = this.#source === "arena";
    invariant((directory !== undefined) === needsDirectory, "records have read lists");
    return this.kernel.bind({ q, rows, tiles, partials, ...(directory ? { directory } : {}) });
  }
}
