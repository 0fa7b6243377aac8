/** How products are made: of few rows by which lanes, and those of a slice. */

import { divCeil } from "../../core/shapes.ts";
import type { Variant } from "../variant.ts";
import { BLOCK_COLUMN_COUNT, type WeightShape } from "../weight_layout.ts";
import { TILE_MEMORY_BYTES, TILE_THREAD_COUNT } from "./tile.ts";

/** The columns of a weight, by which its sums are shared among lanes. */
export type MatmulVariantShape = Pick<WeightShape, "columnCount">;

/** A way of making a product; its text is `matmul/parts/by_<name>.wgsl`. */
export interface MatmulVariant extends Variant<MatmulVariantShape> {
  readonly name: "subgroup" | "slices";
  /** Groups of 8 lanes in a workgroup. */
  sliceCount(shape: MatmulVariantShape): number;
  /** Workgroups that go through groups of outputs and tiles of rows. */
  grid(groupCount: number, tileCount: number): [x: number, y: number];
}

/** Threads that every adapter allows are 8 times as many. */
const SLICE_COUNT_MAX = 32;

/** The threads that add the sums of the 32 outputs are 8 times as many. */
const SLICE_COUNT_MIN = 4;

/** The fastest first. */
export const MATMUL_VARIANTS: readonly MatmulVariant[] = [
  {
    name: "subgroup",
    supports: ({ subgroupLanes, isFallback }) => subgroupLanes === 8 && isFallback,
    tuned: ["software Vulkan"],
    sliceCount: () => 1,
    grid: (groupCount, tileCount) => [groupCount, tileCount],
  },
  {
    name: "slices",
    supports: () => true,
    tuned: [],
    sliceCount({ columnCount }) {
      const blockCount = divCeil(columnCount, BLOCK_COLUMN_COUNT);
      const wanted = 2 ** Math.ceil(Math.log2(blockCount));
      return Math.min(SLICE_COUNT_MAX, Math.max(SLICE_COUNT_MIN, wanted));
    },
    grid: (groupCount, tileCount) => [tileCount, groupCount],
  },
];

/** What makes the products of a slice. */
export interface MatmulSliceVariant extends Variant {
  readonly name: "rows" | "tile";
}

const ROWS: MatmulSliceVariant = { name: "rows", supports: () => true, tuned: [] };

/** The fastest first. */
export const MATMUL_SLICE_VARIANTS: readonly MatmulSliceVariant[] = [
  { ...ROWS, supports: ({ isFallback }) => isFallback, tuned: ["software Vulkan"] },
  {
    name: "tile",
    supports: ({ workgroupMemoryBytesMax, workgroupSizeMax }) =>
      workgroupMemoryBytesMax >= TILE_MEMORY_BYTES && workgroupSizeMax >= TILE_THREAD_COUNT,
    tuned: [],
  },
  ROWS,
];
