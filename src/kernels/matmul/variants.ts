/** How products are made: of few rows by which lanes, and those of a slice. */

import { divCeil } from "../../core/shapes.ts";
import type { AdapterFacts } from "../../gpu/gpu.ts";
import { chooseVariant, type Variant } from "../variant.ts";
import { BLOCK_COLUMN_COUNT, type WeightShape } from "../weight_layout.ts";
import { ROW_COUNTS, SHARED_ROW_COUNTS, type TileRowCount } from "./row_counts.ts";
import { TILE_MEMORY_BYTES, TILE_THREAD_COUNT } from "./tile.ts";

/** The columns of a weight, by which its sums are shared among lanes. */
export type MatmulVariantShape = Pick<WeightShape, "columnCount">;

/** A way of making a product. */
export interface MatmulVariant extends Variant<MatmulVariantShape> {
  /** Its text is `matmul/parts/by_<way>.wgsl`. */
  readonly way: "subgroup" | "slices";
  /** Rows of x that a workgroup takes together, by pipeline. */
  readonly rowCounts: readonly number[];
  /** Groups of 8 lanes in a workgroup. */
  sliceCount(shape: MatmulVariantShape): number;
  /** Workgroups that go through groups of outputs and tiles of rows. */
  grid(groupCount: number, tileCount: number): [x: number, y: number];
}

/** Threads that every adapter allows are 8 times as many. */
const SLICE_COUNT_MAX = 32;

/** The threads that add the sums of the 32 outputs are 8 times as many. */
const SLICE_COUNT_MIN = 4;

/** Enough slices that each has a block of columns, where there may be as many. */
function slicesOf({ columnCount }: MatmulVariantShape): number {
  const blockCount = divCeil(columnCount, BLOCK_COLUMN_COUNT);
  const wanted = 2 ** Math.ceil(Math.log2(blockCount));
  return Math.min(SLICE_COUNT_MAX, Math.max(SLICE_COUNT_MIN, wanted));
}

const BY_SLICES: MatmulVariant = {
  name: "slices",
  way: "slices",
  supports: () => true,
  tuned: [],
  rowCounts: ROW_COUNTS,
  sliceCount: slicesOf,
  grid: (groupCount, tileCount) => [tileCount, groupCount],
};

/** Fewer than {@link slicesOf}: smaller workgroups, of threads with more loads of their own. */
function fewerSlices(count: number): MatmulVariant {
  return {
    ...BY_SLICES,
    name: `${count} slices`,
    supports: (_facts, shape) => count < slicesOf(shape),
    sliceCount: () => count,
  };
}

/** The fastest first; those behind `slices` run where they were measured to be faster. */
export const MATMUL_VARIANTS: readonly MatmulVariant[] = [
  {
    name: "subgroup",
    way: "subgroup",
    supports: ({ subgroupLanes, isFallback }) => subgroupLanes === 8 && isFallback,
    tuned: ["software Vulkan"],
    rowCounts: SHARED_ROW_COUNTS,
    sliceCount: () => 1,
    grid: (groupCount, tileCount) => [groupCount, tileCount],
  },
  BY_SLICES,
  fewerSlices(16),
  fewerSlices(8),
  fewerSlices(4),
];

/** Products of integers, the fastest first: on a CPU sums over slices cost more than they share. */
export const MATMUL_CODES_VARIANTS: readonly MatmulVariant[] = [
  {
    ...fewerSlices(4),
    supports: ({ isFallback }, shape) => isFallback && slicesOf(shape) > 4,
    tuned: ["software Vulkan"],
  },
  BY_SLICES,
  fewerSlices(16),
  fewerSlices(8),
  fewerSlices(4),
];

/** What a choice for products with a weight is kept by: weights alike have the same one. */
export function matmulKey(
  operation: string,
  { rowCount, columnCount, parts }: WeightShape,
): string {
  const formats = parts.map(({ format, rowStart }) =>
    rowStart === 0 ? format : `${format}@${rowStart}`
  ).join("+");
  return `${operation} ${rowCount}x${columnCount} ${formats}`;
}

/**
 * How products of codes with a weight share sums among lanes: those of a row and those of a slice
 * alike, so that both have the same bits.
 *
 * @param options `way`: that one; what was measured to be the fastest, or the first, if left out.
 */
export function chooseCodesVariant(
  weights: WeightShape,
  { facts, way }: { facts: AdapterFacts; way?: string | undefined },
): MatmulVariant {
  const key = matmulKey("matmul of codes", weights);
  return MATMUL_CODES_VARIANTS.find(({ name }) => name === way) ??
    chooseVariant("matmul of codes", MATMUL_CODES_VARIANTS, { facts, shape: weights, key });
}

/** What makes the products of a slice. */
export interface MatmulSliceVariant extends Variant {
  /** Most rows of a tile; null for the kernel of few rows. */
  readonly tileRowCount: TileRowCount | null;
}

const ROWS: MatmulSliceVariant = {
  name: "rows",
  supports: () => true,
  tuned: [],
  tileRowCount: null,
};

/** Most rows of each tile, the one that a GPU has without a choice first. */
const TILES: Readonly<Record<string, TileRowCount>> = {
  "tile": 64,
  "tile of 32 rows": 32,
  "tile of 16 rows": 16,
};

/**
 * The fastest first, where a tile takes so much workgroup memory; `tuned`: of rows on a CPU.
 *
 * Smaller tiles give the same bits. A product of 4,096 outputs has 64 workgroups of the largest,
 * which leave part of a GPU idle that has more multiprocessors.
 */
function sliceVariants(
  memoryBytes: number,
  tuned: MatmulSliceVariant["tuned"],
): readonly MatmulSliceVariant[] {
  const tiles = Object.entries(TILES).map(([name, tileRowCount]): MatmulSliceVariant => ({
    name,
    supports: ({ workgroupMemoryBytesMax, workgroupSizeMax }) =>
      workgroupMemoryBytesMax >= memoryBytes && workgroupSizeMax >= TILE_THREAD_COUNT,
    tuned: [],
    tileRowCount,
  }));
  return [{ ...ROWS, supports: ({ isFallback }) => isFallback, tuned }, ...tiles, ROWS];
}

/**
 * What the name of a choice says of the bits that a kernel gives: tiles of all sizes give the same,
 * those that a GPU has where it has no choice.
 *
 * @returns Null if they are what they are without the choice.
 */
export function bitsOfChoice(
  name: string,
  { isFallback }: Pick<AdapterFacts, "isFallback">,
): string | null {
  if (!Object.hasOwn(TILES, name)) return name;
  return isFallback ? "tile" : null;
}

/** Products in f32. */
export const MATMUL_SLICE_VARIANTS: readonly MatmulSliceVariant[] = sliceVariants(
  TILE_MEMORY_BYTES,
  ["software Vulkan"],
);

/** Bytes of workgroup memory: of two blocks, 64 rows of the weight and of x, with scales. */
export const CODES_TILE_MEMORY_BYTES: number = 2 * (64 * (32 + 3 * 4) + 64 * (32 + 16));

/** Products of codes; rows before tiles on a CPU as in f32, not measured. */
export const MATMUL_CODES_SLICE_VARIANTS: readonly MatmulSliceVariant[] = sliceVariants(
  CODES_TILE_MEMORY_BYTES,
  [],
);
