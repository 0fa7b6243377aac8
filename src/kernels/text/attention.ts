/**
 * WGSL text shared by the attention kernels: how many lanes a workgroup has and how they exchange
 * values, and the query heads of a group as short vectors.
 *
 * @module
 */

import lanesBySubgroup from "../../../shaders/lib/attention_lanes_subgroup.wgsl" with {
  type: "text",
};
import lanesByWorkgroup from "../../../shaders/lib/attention_lanes_workgroup.wgsl" with {
  type: "text",
};
import { divCeil, divExact } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";

/** Heads of a layer, as attention sees them. */
export interface AttentionShape {
  kvHeadCount: number;
  /** A multiple of `kvHeadCount`, at most 16 times it. */
  queryHeadCount: number;
  /** Channels per head: a multiple of 32, at most 256. */
  headSize: number;
}

/** How a sequence is split, and where the partial results of its splits lie. */
export interface SplitShape {
  /** Sealed blocks of one split; a constant, so that a row's result depends on the row alone. */
  blocksPerSplit: number;
  /** Splits that a row's partials have room for: sealed ones and the window's. */
  splitCountMax: number;
}

/** Query heads of one KV head, in `vectorCount` vectors of `vectorSize`. */
export interface HeadGroup {
  /** Query heads per KV head. */
  groupSize: number;
  vectorCount: number;
  /** 2 to 4; the last vector may hold heads that do not exist. */
  vectorSize: number;
}

/** Lanes of a workgroup and the text that lets them exchange values. */
export interface Lanes {
  /** 8, 16 or 32. */
  count: number;
  /** Declares `lane`, the entry point and the shuffles. */
  text: string;
}

const LANE_COUNT_MAX = 32;
const LANE_COUNT_MIN = 8;
const GROUP_SIZE_MAX = 16;
const VECTOR_SIZE_MAX = 4;

/** Chooses the lanes of a workgroup: one subgroup where its size is known, else workgroup memory. */
export function chooseLanes(gpu: Gpu): Lanes {
  const { hasSubgroups, subgroupSizeMin, isFallback } = gpu.facts;
  if (hasSubgroups && subgroupSizeMin >= LANE_COUNT_MIN) {
    return { count: Math.min(LANE_COUNT_MAX, subgroupSizeMin), text: lanesBySubgroup };
  }
  return { count: isFallback ? LANE_COUNT_MIN : LANE_COUNT_MAX, text: lanesByWorkgroup };
}

/**
 * Checks a shape and lays its query heads out in vectors.
 *
 * @throws {RangeError} if the shape is outside its limits.
 */
export function headGroup(shape: AttentionShape): HeadGroup {
  const { kvHeadCount, queryHeadCount, headSize } = shape;
  const groupSize = divExact(queryHeadCount, kvHeadCount);
  if (groupSize < 1 || groupSize > GROUP_SIZE_MAX) {
    throw new RangeError(
      `Cannot attend: ${groupSize} query heads per KV head, must be 1 to ${GROUP_SIZE_MAX}`,
    );
  }
  if (headSize % 32 !== 0 || headSize < 32 || headSize > 256) {
    throw new RangeError(
      `Cannot attend: head size is ${headSize}, must be a multiple of 32 up to 256`,
    );
  }
  const vectorCount = divCeil(groupSize, VECTOR_SIZE_MAX);
  return { groupSize, vectorCount, vectorSize: Math.max(2, divCeil(groupSize, vectorCount)) };
}

/**
 * Text of `Heads` and, for each vector `i`, `load_query_i(index)`, `partial_start(row, head, split)`
 * and `store_partial_i(index, heads)`. Heads that do not exist load as 0 and are not stored.
 * Needs `q`, `partials` and the constants of {@link attentionConstants}.
 */
export function headsText(group: HeadGroup): string {
  const { groupSize, vectorCount, vectorSize } = group;
  let text = `alias Heads = vec${vectorSize}<f32>;
fn partial_start(row: u32, head: u32, split: u32) -> u32 {
  return ((row * QUERY_HEAD_COUNT + head) * SPLIT_COUNT_MAX + split) * (D + 2u);
}
`;
  for (let vector = 0; vector < vectorCount; vector++) {
    const heads = Array.from({ length: vectorSize }, (_, i) => vector * vectorSize + i);
    const loads = heads.map((head) => head < groupSize ? `q[index + ${head}u * D]` : "0.0");
    const stores = heads.filter((head) => head < groupSize).map((head) =>
      `  partials[index + ${head}u * SPLIT_COUNT_MAX * (D + 2u)] = heads[${head % vectorSize}];\n`
    );
    text += `fn load_query_${vector}(index: u32) -> Heads {
  return Heads(${loads.join(", ")});
}
fn store_partial_${vector}(index: u32, heads: Heads) {
${stores.join("")}}
`;
  }
  return text;
}

/** Constants that every attention kernel shares. */
export function attentionConstants(
  shape: AttentionShape,
  splits: SplitShape,
): Record<string, number> {
  return {
    D: shape.headSize,
    KV_HEAD_COUNT: shape.kvHeadCount,
    QUERY_HEAD_COUNT: shape.queryHeadCount,
    GROUP_SIZE: divExact(shape.queryHeadCount, shape.kvHeadCount),
    BLOCKS_PER_SPLIT: splits.blocksPerSplit,
    SPLIT_COUNT_MAX: splits.splitCountMax,
  };
}

/** Words of the partial results of `rowCount` rows. */
export function partialsWords(shape: AttentionShape, splits: SplitShape, rowCount: number): number {
  return rowCount * shape.queryHeadCount * splits.splitCountMax * (shape.headSize + 2);
}

/** Splits of `blockCount` sealed blocks. */
export function sealedSplitCount(blockCount: number, splits: SplitShape): number {
  return divCeil(blockCount, splits.blocksPerSplit);
}
