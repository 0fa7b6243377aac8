import { rawTileValues } from "../codec/raw_tile.ts";
import { KEY } from "../codec/record.ts";

/** Heads whose keys are summarised. */
export interface SummaryShape {
  kvHeadCount: number;
  headSize: number;
}

/** What a kind of summary keeps of a channel: two numbers, `[kvHeadCount * headSize][2]`. */
export type ReferenceSummary = Float64Array;

const ROUND_COUNT = 4;

/** Reference of `shaders/block_summary/range.wgsl`: least and largest key of each channel. */
export function rangeSummaryReference(
  shape: SummaryShape,
  tile: Uint32Array,
  tokenCount: number,
): ReferenceSummary {
  const keys = rawTileValues(shape, tile, KEY);
  const width = shape.kvHeadCount * shape.headSize;
  const pairs = new Float64Array(2 * width);
  for (let channel = 0; channel < width; channel++) {
    const own = Array.from({ length: tokenCount }, (_, token) => keys[token * width + channel]);
    pairs[2 * channel] = Math.min(...own);
    pairs[2 * channel + 1] = Math.max(...own);
  }
  return pairs;
}

/**
 * Reference of `shaders/block_summary/clusters.wgsl`, in f64: means of two clusters by channel.
 */
export function clustersSummaryReference(
  shape: SummaryShape,
  tile: Uint32Array,
  tokenCount: number,
): ReferenceSummary {
  const keys = rawTileValues(shape, tile, KEY);
  const { kvHeadCount, headSize } = shape;
  const pairs = new Float64Array(2 * kvHeadCount * headSize);
  for (let head = 0; head < kvHeadCount; head++) {
    const own = Array.from({ length: tokenCount }, (_, token) => {
      const start = (token * kvHeadCount + head) * headSize;
      return Float64Array.from(keys.subarray(start, start + headSize));
    });
    const members = twoClusters(own);
    const means = members.map((cluster) => meanOf(cluster.map((token) => own[token]), headSize));
    const [first, second] = members.map(({ length }, cluster) =>
      means[length === 0 ? 1 - cluster : cluster]
    );
    for (let channel = 0; channel < headSize; channel++) {
      const place = 2 * (head * headSize + channel);
      pairs[place] = first[channel];
      pairs[place + 1] = second[channel];
    }
  }
  return pairs;
}

/** Tokens of both clusters. */
function twoClusters(keys: readonly Float64Array[]): [number[], number[]] {
  const directions = keys.map(normed);
  const mean = meanOf(directions, keys[0]?.length ?? 0);
  const first = directions[leastLike(directions, mean)];
  const second = directions[leastLike(directions, first)];
  let seeds = [first, second];
  let members: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUND_COUNT; round++) {
    members = [[], []];
    for (const [token, direction] of directions.entries()) {
      const isSecond = dot(direction, seeds[1]) > dot(direction, seeds[0]);
      members[Number(isSecond)].push(token);
    }
    seeds = members.map((cluster) =>
      normed(meanOf(cluster.map((token) => directions[token]), keys[0].length))
    );
  }
  return members;
}

/** The first of the directions that are least like another. */
function leastLike(directions: readonly Float64Array[], other: Float64Array): number {
  const likeness = directions.map((direction) => dot(direction, other));
  return likeness.indexOf(Math.min(...likeness));
}

function normed(vector: Float64Array): Float64Array {
  const length = Math.sqrt(dot(vector, vector));
  return vector.map((value) => length === 0 ? 0 : value / length);
}

function meanOf(vectors: readonly Float64Array[], length: number): Float64Array {
  const sum = new Float64Array(length);
  for (const vector of vectors) vector.forEach((value, channel) => sum[channel] += value);
  return sum.map((value) => value / Math.max(1, vectors.length));
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, channel) => sum + value * b[channel], 0);
}
