/**
 * WGSL text of attention of many queries over raw tiles.
 *
 * @module
 */

import manyQueries from "../../../shaders/lib/attention_many_queries.wgsl" with { type: "text" };
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import { constantLines, expandTemplate } from "../../gpu/wgsl_template.ts";
import { attentionConstants, cappedText } from "./attention.ts";
import { type RawTilesOptions, tileConstants, tilesText } from "./raw_tiles.ts";
import { ROW_TEXT } from "./row.ts";

/** Queries of a workgroup, in groups of 8. */
export const MANY_QUERY_COUNT = 32;

const GROUP_QUERY_COUNT = 8;
const VECTOR_SIZE = 4;
/** Most channels that are multiplied between two barriers. */
const CHUNK_SIZE_MAX = 32;
/** Channels of a query that a thread loads at a time. */
const PART_SIZE = 2;
/** Largest heads of which a thread has 4 channels; of larger ones it has 8. */
const HALF_HEAD_SIZE_MAX = 128;

/**
 * Threads that have the same 8 queries: enough that each has at most 32 sums of channels in
 * registers, or 64 of large heads, and none is idle at heads of 64, 128, 256 and 512.
 */
function laneCount(headSize: number): number {
  if (headSize <= 64) return 16;
  return headSize <= 256 ? 32 : 64;
}

/** Threads of a workgroup: 64 to 256. */
export function manyQueriesThreads({ headSize }: { headSize: number }): number {
  return laneCount(headSize) * (MANY_QUERY_COUNT / GROUP_QUERY_COUNT);
}

/**
 * Text to append to a kernel that defines its queries' rows and `QUERY_COUNT`, and has `q` as an
 * array of `QueryPart`. Not of latents.
 */
export function manyQueriesText(options: RawTilesOptions): string {
  const { shape, splits, source } = options;
  const { headSize, softCap = null } = shape;
  const lanes = laneCount(headSize);
  const threadCount = manyQueriesThreads(shape);
  const vectorCount = MANY_QUERY_COUNT / VECTOR_SIZE;
  // With few lanes a thread has 4 tokens: half as many channels fill its registers.
  const chunkSize = Math.min(CHUNK_SIZE_MAX, lanes);
  const laneChannels = headSize > HALF_HEAD_SIZE_MAX ? 8 : 4;
  const body = expandTemplate(manyQueries, {
    token: BLOCK_TOKEN_COUNT / lanes,
    eight: chunkSize / 8,
    word: 4,
    queries: GROUP_QUERY_COUNT / VECTOR_SIZE,
    turn: BLOCK_TOKEN_COUNT / (threadCount / vectorCount),
    load: PART_SIZE,
    near: 8,
    channel: laneChannels / 2,
    query: VECTOR_SIZE,
    is_partial: source === "window" ? 1 : 0,
    has_idle: lanes > chunkSize ? 1 : 0,
  });
  const constants = constantLines({
    ...attentionConstants(shape, splits),
    ...tileConstants(options),
    LANE_COUNT: lanes,
    LANE_CHANNELS: laneChannels,
    COLUMN_COUNT: headSize / 8,
    CHUNK_SIZE: chunkSize,
    PART_SIZE,
  });
  const types = `alias Heads = vec${VECTOR_SIZE}<f32>;\nalias QueryPart = vec${PART_SIZE}<f32>;`;
  return [body, constants, types, cappedText(softCap), tilesText(source), ROW_TEXT].join("\n");
}
