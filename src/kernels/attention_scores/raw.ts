import source from "../../../shaders/attention_scores/raw.wgsl" with { type: "text" };
import { rawTileWords } from "../../codec/record.ts";
import { WINDOW_TILE_COUNT } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantLines, expandTemplate } from "../../gpu/wgsl_template.ts";
import {
  attentionConstants,
  type AttentionShape,
  cappedText,
  type SplitShape,
} from "../text/attention.ts";
import { BLOCK_LIMITS, TILE_SOURCES, type TileSource } from "../text/raw_tiles.ts";
import { ROW_TEXT } from "../text/row.ts";

/** What {@link AttentionScoresKernel} is compiled for. */
export interface AttentionScoresOptions {
  shape: AttentionShape;
  splits: SplitShape;
  source: TileSource;
  /** Tokens of a sequence that scores have room for: a multiple of 64. */
  tokenCountMax: number;
  /** First tokens that a first record has behind the others; not of source `window`. */
  sinkCount: number;
  /** Of source `window`: tiles of a slot; {@link WINDOW_TILE_COUNT} if left out. */
  tileCount?: number;
  /** Whether each head has a learned sink. */
  hasSinks: boolean;
}

/** Buffers of one use of {@link AttentionScoresKernel}. */
export interface AttentionScoresBuffers {
  /** f32 `[rows, queryHeadCount * headSize]`, after RoPE, not scaled. */
  q: GPUBuffer | BufferSlice;
  /** u32 `[rows][ROW_WORDS]`: of one sequence, between two multiples of 64. */
  rows: GPUBuffer | BufferSlice;
  /** The layer's window, the arena of its group, or unpacked tiles. */
  tiles: GPUBuffer | BufferSlice;
  /** f32 `[row][query head][splitCountMax][headSize + 2]`, as attention has left them. */
  partials: GPUBuffer | BufferSlice;
  /** {@link observedWords}. */
  observed: GPUBuffer | BufferSlice;
  /** f32 `[slots][tokenCountMax]` of sums, and where wanted `[queryHeadCount][tokenCountMax]`. */
  scores: GPUBuffer | BufferSlice;
  /** As of attention: read lists, first block in scratch, learned sinks; where there are any. */
  directory?: GPUBuffer | BufferSlice | null;
  segment?: GPUBuffer | BufferSlice;
  sinks?: GPUBuffer | BufferSlice;
}

/** Words of the uniform that says which rows count: those from `firstRow` to the last. */
export function observedWords(
  options: { firstRow: number; rowCount: number; isFirst: boolean; lastStart: number },
): Uint32Array<ArrayBuffer> {
  const { firstRow, rowCount, isFirst, lastStart } = options;
  return Uint32Array.of(firstRow, rowCount, Number(isFirst), lastStart);
}

/** Scores of a KV head that a thread keeps at a time. */
const SCORE_COUNT_MAX = 16;

/** The most rows, a power of two, of which the scores of a KV head's queries are kept. */
function rowsAtATime({ queryHeadCount, kvHeadCount }: AttentionShape): number {
  const groupSize = queryHeadCount / kvHeadCount;
  return 2 ** Math.max(0, Math.floor(Math.log2(SCORE_COUNT_MAX / groupSize)));
}

/** Sums up the attention that tokens get from rows of a slice. */
export class AttentionScoresKernel {
  #kernel: Kernel;

  private constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Compiles for one shape and source; `blocksPerSegment` is that of scratch. */
  static async create(
    gpu: Gpu,
    options: AttentionScoresOptions & { blocksPerSegment?: number },
  ): Promise<AttentionScoresKernel> {
    const { shape, splits, source: tileSource, tokenCountMax, sinkCount, hasSinks } = options;
    const row = rowsAtATime(shape);
    const i = row * shape.queryHeadCount / shape.kvHeadCount;
    const code = [
      expandTemplate(source, { has_sinks: hasSinks ? 1 : 0, row, i }),
      constantLines({
        ...attentionConstants(shape, splits),
        ROWS_AT_A_TIME: row,
        SOURCE_BINDING: 6,
        TILE_WORDS: rawTileWords(shape),
        WINDOW_TILE_COUNT: options.tileCount ?? WINDOW_TILE_COUNT,
        SCORE_TOKENS: tokenCountMax,
        SINK_COUNT: tileSource === "window" ? 0 : sinkCount,
        BLOCKS_PER_SEGMENT: options.blocksPerSegment ?? 0,
      }),
      "alias Heads = f32;",
      `fn block_limit(row: Row) -> u32 {\n  return ${BLOCK_LIMITS[tileSource]};\n}`,
      cappedText(shape.softCap ?? null),
      TILE_SOURCES[tileSource],
      ROW_TEXT,
    ].join("\n");
    const label = `attention_scores ${tileSource}`;
    return new AttentionScoresKernel(await Kernel.create(gpu, { label, code }));
  }

  /** Binds buffers. */
  bind(buffers: AttentionScoresBuffers): GPUBindGroup {
    return this.#kernel.bind({ ...buffers });
  }

  /** Encodes `blockCount` blocks: of the read list, of the segment, or tiles of the window. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, blockCount: number): void {
    if (blockCount > 0) this.#kernel.dispatch(pass, bound, blockCount);
  }
}
