import source from "../../../shaders/attention_prefill/raw.wgsl" with { type: "text" };
import { invariant } from "../../core/errors.ts";
import { divCeil, divExact } from "../../core/shapes.ts";
import type { AdapterFacts, BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { GENERATED_LINE } from "../../gpu/wgsl_origin.ts";
import { constantLines } from "../../gpu/wgsl_template.ts";
import {
  type AttentionShape,
  checkHeadSize,
  querySize,
  type SplitShape,
} from "../text/attention.ts";
import { lanesOf } from "../text/lanes.ts";
import { MANY_QUERY_COUNT, manyQueriesText } from "../text/many_queries.ts";
import { type RawTilesOptions, rawTilesText, type TileSource } from "../text/raw_tiles.ts";
import { chooseVariant } from "../variant.ts";
import {
  ATTENTION_PREFILL_VARIANTS,
  attentionPrefillKey,
  type AttentionPrefillVariant,
} from "./variants.ts";

/** What {@link AttentionPrefillKernel} is compiled for. */
export interface AttentionPrefillOptions {
  shape: AttentionShape;
  splits: SplitShape;
  /** `window`: causal, a split per tile. `arena`: raw sealed tiles. `scratch`: unpacked ones. */
  source: TileSource;
  /** Of source `window`: tiles of a slot; 3 if left out. */
  tileCount?: number;
  /** Of source `scratch`: first tokens of a sequence that the tile of its first block has last. */
  sinkCount?: number;
}

/** Buffers of one use of {@link AttentionPrefillKernel}. */
export interface AttentionPrefillBuffers {
  /**
   * f32 `[rows, queryHeadCount * headSize]`, after RoPE, not scaled; of latents twice as many
   * channels, as of partial results. Room for 64 rows.
   */
  q: GPUBuffer | BufferSlice;
  /** u32 `[rows][ROW_WORDS]`: those of the slice of one sequence, between two multiples of 64. */
  rows: GPUBuffer | BufferSlice;
  /** u32 `[2]`: row behind the last of the slice, and its first; others are not looked at. */
  slice: GPUBuffer | BufferSlice;
  /** The layer's window, the arena of its group, or the scratch of `BlockUnpackPaperKernel`. */
  tiles: GPUBuffer | BufferSlice;
  /** u32 `[entries][ENTRY_WORDS]`: read lists; the window has none. */
  directory?: GPUBuffer | BufferSlice;
  /**
   * u32 `[2]`: first block in the scratch, a multiple of `blocksPerSplit`, and a row that is not
   * looked at; of `scratch` only.
   */
  segment?: GPUBuffer | BufferSlice;
  /**
   * f32 `[row][query head][splitCountMax][headSize + 2]`: m, l, o. Room for 64 rows, or for
   * {@link QUERY_COUNT_MAX} queries behind the last row.
   */
  partials: GPUBuffer | BufferSlice;
}

const QUERY_VECTOR_SIZE = 4;

/** Most queries of a workgroup that writes what queries behind the last row get. */
export const QUERY_COUNT_MAX = 2 * QUERY_VECTOR_SIZE;

/**
 * Queries of a workgroup: each value that it loads serves so many (row, query head) pairs. Of large
 * heads fewer, so that they fit workgroup memory of 16 KiB.
 */
function queryCountOf({ lanes }: AttentionPrefillVariant, shape: AttentionShape): number {
  if (lanes === null) return MANY_QUERY_COUNT;
  return querySize(shape) > 256 ? QUERY_VECTOR_SIZE : QUERY_COUNT_MAX;
}

/** Attention of the rows of a slice over raw tiles, as partial results per split. */
export class AttentionPrefillKernel {
  #kernel: Kernel;
  #options: AttentionPrefillOptions;
  #queryCount: number;

  private constructor(kernel: Kernel, options: AttentionPrefillOptions, queryCount: number) {
    this.#kernel = kernel;
    this.#options = options;
    this.#queryCount = queryCount;
  }

  /** Compiles for one shape and source. */
  static async create(
    gpu: Gpu,
    options: AttentionPrefillOptions,
    facts: AdapterFacts = gpu.facts,
  ): Promise<AttentionPrefillKernel> {
    const { shape } = options;
    checkHeadSize(shape);
    const key = attentionPrefillKey(shape);
    const choice = { facts, shape, key };
    const variant = chooseVariant("attention_prefill", ATTENTION_PREFILL_VARIANTS, choice);
    const queryCount = queryCountOf(variant, shape);
    const code = source + GENERATED_LINE + constantLines({ QUERY_COUNT: queryCount }) +
      textOf(variant, queryCount, { options: { ...options, sourceBinding: 5 }, facts });
    const label = `attention_prefill ${options.source}`;
    const kernel = await Kernel.create(gpu, { label, code });
    return new AttentionPrefillKernel(kernel, options, queryCount);
  }

  /** Binds buffers. */
  bind(buffers: AttentionPrefillBuffers): GPUBindGroup {
    const { q, rows, slice, tiles, directory, segment, partials } = buffers;
    const { source: tileSource } = this.#options;
    invariant((directory !== undefined) === (tileSource !== "window"), "records have read lists");
    invariant((segment !== undefined) === (tileSource === "scratch"), "a scratch has a segment");
    return this.#kernel.bind({
      q,
      rows,
      tiles,
      partials,
      slice,
      ...(segment ? { segment } : {}),
      ...(directory ? { directory } : {}),
    });
  }

  /**
   * Encodes the rows of a slice.
   *
   * @param splitCount Splits of the rows' sealed blocks, of the segment in scratch, or tiles of
   * the window.
   */
  encode(
    pass: GPUComputePassEncoder,
    bound: GPUBindGroup,
    grid: { rowCount: number; splitCount: number },
  ): void {
    if (grid.splitCount === 0) return;
    const { shape } = this.#options;
    const { kvHeadCount, queryHeadCount } = shape;
    const queries = grid.rowCount * divExact(queryHeadCount, kvHeadCount);
    const tileCount = divCeil(queries, this.#queryCount);
    this.#kernel.dispatch(pass, bound, kvHeadCount, grid.splitCount, tileCount);
  }
}

function textOf(
  { lanes }: AttentionPrefillVariant,
  queryCount: number,
  { options, facts }: { options: RawTilesOptions; facts: AdapterFacts },
): string {
  if (lanes === null) return manyQueriesText(options);
  const group = {
    groupSize: queryCount,
    vectorCount: queryCount / QUERY_VECTOR_SIZE,
    vectorSize: QUERY_VECTOR_SIZE,
  };
  return "alias QueryPart = f32;\n" +
    rawTilesText(options, { group, lanes: lanesOf(lanes, facts), facts });
}
