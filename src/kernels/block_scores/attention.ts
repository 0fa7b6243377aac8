import source from "../../../shaders/block_scores/attention.wgsl" with { type: "text" };
import { rawTileWords } from "../../codec/record.ts";
import { EngineError } from "../../core/errors.ts";
import { BLOCK_TOKEN_COUNT, divExact, WINDOW_TILE_COUNT } from "../../core/shapes.ts";
import type { AdapterFacts, BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantLines, expandTemplate } from "../../gpu/wgsl_template.ts";
import { type AttentionShape, cappedText } from "../text/attention.ts";
import { BLOCK_CONSTANTS } from "../text/block.ts";
import { HeadRowsKernel } from "../head_rows.ts";
import { ROW_TEXT } from "../text/row.ts";
import { TURN_COUNT_MAX } from "../turns.ts";

/** Channels of a key, and tokens of a tile, that a turn of a loop goes through. */
const [CHANNELS_PER_TURN, TOKENS_PER_TURN] = [32, 8];

/** Buffers of one use of {@link BlockAttentionKernel}. */
export interface BlockAttentionBuffers {
  /** f32 `[rows, queryHeadCount * headSize]`, after RoPE, not scaled. */
  q: GPUBuffer | BufferSlice;
  /** u32 `[rows][ROW_WORDS]`. */
  rows: GPUBuffer | BufferSlice;
  /** Read lists of the store. */
  directory: GPUBuffer | BufferSlice;
  /** The arena, with raw tiles, or those of the first row's list, unpacked. */
  tiles: GPUBuffer | BufferSlice;
  /** The store's window of `tileCount` tiles a slot. */
  window: GPUBuffer | BufferSlice;
  /** f32 `[rows][kvHeadCount][listCountMax]`. */
  scores: GPUBuffer | BufferSlice;
}

/** Scores blocks by the attention that they get: slow, for measuring. */
export class BlockAttentionKernel extends HeadRowsKernel<BlockAttentionBuffers> {
  /**
   * Compiles for one shape; `listCountMax`: entries of a read list that scores have room for;
   * `tileCount`: raw tiles of a slot, 3 if left out. `isUnpacked`: whether tiles are those of the
   * first row's list, one behind the other, which all rows read then; false if left out.
   *
   * @throws {EngineError} `model_unsupported` if the software driver makes too few turns for that
   * many entries.
   */
  static async create(
    gpu: Gpu,
    options: {
      shape: AttentionShape;
      listCountMax: number;
      tileCount?: number;
      isUnpacked?: boolean;
    },
  ): Promise<BlockAttentionKernel> {
    const { shape, listCountMax, tileCount = WINDOW_TILE_COUNT, isUnpacked = false } = options;
    const { kvHeadCount, queryHeadCount, headSize, softCap = null } = shape;
    refuseTooLong(gpu.facts, { shape, listCountMax });
    const code = [
      expandTemplate(source, {
        is_unpacked: isUnpacked ? 1 : 0,
        part: CHANNELS_PER_TURN / 8,
        word: 4,
        near: TOKENS_PER_TURN,
      }),
      constantLines({
        ...BLOCK_CONSTANTS,
        D: headSize,
        KV_HEAD_COUNT: kvHeadCount,
        QUERY_HEAD_COUNT: queryHeadCount,
        GROUP_SIZE: divExact(queryHeadCount, kvHeadCount),
        TILE_WORDS: rawTileWords(shape),
        WINDOW_TILE_COUNT: tileCount,
        LIST_MAX: listCountMax,
      }),
      "alias Heads = f32;",
      cappedText(softCap),
      ROW_TEXT,
    ].join("\n");
    const kernel = await Kernel.create(gpu, { label: "block_scores/attention", code });
    return new BlockAttentionKernel(kernel, kvHeadCount);
  }
}

/** For each block it scores the tile twice, adds it up, and shares it out. */
function refuseTooLong(
  { isFallback }: AdapterFacts,
  { shape, listCountMax }: { shape: AttentionShape; listCountMax: number },
): void {
  const headCount = divExact(shape.queryHeadCount, shape.kvHeadCount);
  const turnsPerBlock = 2 * (1 + headCount * (1 + shape.headSize / CHANNELS_PER_TURN)) +
    3 * BLOCK_TOKEN_COUNT / TOKENS_PER_TURN + headCount;
  const blockCountMax = Math.floor(TURN_COUNT_MAX / turnsPerBlock) - WINDOW_TILE_COUNT;
  if (!isFallback || listCountMax <= blockCountMax) return;
  throw new EngineError(
    "model_unsupported",
    `Cannot score ${listCountMax} blocks by their attention on a software driver: ` +
      `at most ${blockCountMax}, a context of ${blockCountMax * BLOCK_TOKEN_COUNT} tokens`,
  );
}
