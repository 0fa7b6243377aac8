/** What makes the products of experts for the rows of a slice. */

import type { AdapterFacts } from "../../gpu/gpu.ts";
import { SLICE_TOKEN_COUNT } from "../../core/shapes.ts";
import { type BundleRoom, type ExpertCounts, ROWS_ROOM, TILE_ROOM } from "../expert_bundles.ts";
import { chooseVariant, type Variant } from "../variant.ts";
import { TILE_THREAD_COUNT } from "../matmul/tile.ts";
import { EXPERT_TILE_MEMORY_BYTES } from "./tile.ts";

/** A way of going through experts. */
export interface ExpertSliceVariant extends Variant<ExpertCounts> {
  readonly name: "rows" | "tile";
  /** Visits of a bundle at most. */
  readonly room: BundleRoom;
}

const ROWS: ExpertSliceVariant = {
  name: "rows",
  room: ROWS_ROOM,
  supports: () => true,
  tuned: [],
};

/**
 * Rows of a whole slice that an expert has if a router chooses evenly: with fewer, most bundles
 * have no more than products of few rows take together.
 */
const TILE_VISITS_MIN = 4;

/** The fastest first. Tiles of codes have more threads than those in f32, and take less memory. */
export const EXPERT_SLICE_VARIANTS: readonly ExpertSliceVariant[] = [
  { ...ROWS, supports: ({ isFallback }) => isFallback, tuned: ["software Vulkan"] },
  {
    name: "tile",
    room: TILE_ROOM,
    supports: ({ workgroupMemoryBytesMax, workgroupSizeMax }, { expertCount, usedCount }) =>
      SLICE_TOKEN_COUNT * usedCount >= TILE_VISITS_MIN * expertCount &&
      workgroupMemoryBytesMax >= EXPERT_TILE_MEMORY_BYTES &&
      workgroupSizeMax >= TILE_THREAD_COUNT,
    tuned: [],
  },
  ROWS,
];

/** Room of the bundles in which rows go through experts: tiles are of slices alone. */
export function expertRoom(
  facts: AdapterFacts,
  { isSlice, ...shape }: ExpertCounts & { isSlice: boolean },
): BundleRoom {
  if (!isSlice) return ROWS_ROOM;
  const choice = { facts, shape };
  return chooseVariant("expert_matmul of slices", EXPERT_SLICE_VARIANTS, choice).room;
}
