import source from "../../../shaders/channel_scores/raw.wgsl" with { type: "text" };
import { rawTileWords } from "../../codec/record.ts";
import { divExact, WINDOW_TILE_COUNT } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantLines, expandTemplate } from "../../gpu/wgsl_template.ts";
import { attentionConstants, type AttentionShape, type SplitShape } from "../text/attention.ts";
import { BLOCK_LIMITS, TILE_SOURCES, type TileSource } from "../text/raw_tiles.ts";
import { ROW_TEXT } from "../text/row.ts";

/** What {@link ChannelScoresKernel} is compiled for. */
export interface ChannelScoresOptions {
  shape: AttentionShape;
  splits: SplitShape;
  source: TileSource;
  /** Slots of the cache. */
  slotCount: number;
  /** Of source `window`: tiles of a slot; {@link WINDOW_TILE_COUNT} if left out. */
  tileCount?: number;
  /** Of source `scratch`. */
  blocksPerSegment?: number;
}

/** Buffers of one use of {@link ChannelScoresKernel}. */
export interface ChannelScoresBuffers {
  /** f32 `[rows, queryHeadCount * headSize]`, after RoPE, not scaled. */
  q: GPUBuffer | BufferSlice;
  /** u32 `[rows][ROW_WORDS]`: of one sequence, between two multiples of 64. */
  rows: GPUBuffer | BufferSlice;
  /** The layer's window, the arena of its group, or unpacked tiles. */
  tiles: GPUBuffer | BufferSlice;
  /** `observedWords`. */
  observed: GPUBuffer | BufferSlice;
  /** f32 `[slotCount + 1][kvHeadCount * headSize]`: queries by slot, then keys. */
  channels: GPUBuffer | BufferSlice;
  /** As of attention: read lists, and the first block in scratch. */
  directory?: GPUBuffer | BufferSlice | null;
  segment?: GPUBuffer | BufferSlice;
}

/** Whether a source has the first part of what a row sees. */
const FIRST_PARTS: Readonly<Record<TileSource, string>> = {
  window: "row.list_count == 0u",
  arena: "true",
  scratch: "segment[0] == 0u",
};

/** Sums up squares of a prompt's keys and of its last queries by channel. */
export class ChannelScoresKernel {
  #kernel: Kernel;
  #workgroupCount: number;
  #hasQueries: boolean;

  private constructor(kernel: Kernel, workgroupCount: number, hasQueries: boolean) {
    this.#kernel = kernel;
    this.#workgroupCount = workgroupCount;
    this.#hasQueries = hasQueries;
  }

  /** Compiles for one shape and source. */
  static async create(gpu: Gpu, options: ChannelScoresOptions): Promise<ChannelScoresKernel> {
    const { shape, splits, source: tileSource, slotCount } = options;
    const channelCount = shape.kvHeadCount * shape.headSize;
    const isWindow = tileSource === "window";
    const code = [
      expandTemplate(source, { has_queries: isWindow ? 1 : 0 }),
      constantLines({
        ...attentionConstants(shape, splits),
        SOURCE_BINDING: 5,
        TILE_WORDS: rawTileWords(shape),
        WINDOW_TILE_COUNT: options.tileCount ?? WINDOW_TILE_COUNT,
        KEYS_START: slotCount * channelCount,
        BLOCKS_PER_SEGMENT: options.blocksPerSegment ?? 0,
      }),
      `fn block_limit(row: Row) -> u32 {\n  return ${BLOCK_LIMITS[tileSource]};\n}`,
      `fn is_first_part(row: Row) -> bool {\n  return ${FIRST_PARTS[tileSource]};\n}`,
      TILE_SOURCES[tileSource],
      ROW_TEXT,
    ].join("\n");
    const kernel = await Kernel.create(gpu, { label: `channel_scores ${tileSource}`, code });
    return new ChannelScoresKernel(kernel, divExact(channelCount, 8), isWindow);
  }

  /** Binds buffers; queries are read with source `window` alone. */
  bind({ q, ...buffers }: ChannelScoresBuffers): GPUBindGroup {
    return this.#kernel.bind(this.#hasQueries ? { q, ...buffers } : buffers);
  }

  /** Encodes all channels. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup): void {
    this.#kernel.dispatch(pass, bound, this.#workgroupCount);
  }
}
