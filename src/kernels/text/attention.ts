/**
 * WGSL text shared by the attention kernels: the query heads of a group as short vectors, and
 * constants; the rounds in which a workgroup goes through its split.
 *
 * @module
 */

import { divCeil, divExact, HEAD_SIZE_MAX } from "../../core/shapes.ts";
import type { AdapterFacts } from "../../gpu/gpu.ts";
import { workgroupMemoryBytes } from "../../gpu/workgroup_memory.ts";
import { BLOCK_CONSTANTS } from "./block.ts";

/** Heads of a layer, as attention sees them. */
export interface AttentionShape {
  kvHeadCount: number;
  /** A multiple of `kvHeadCount`, at most 16 times it. */
  queryHeadCount: number;
  /** Channels per head: a multiple of 32, at most 512. */
  headSize: number;
  /**
   * Whether keys and values are the halves of latents, each of which is key and value: queries have
   * twice the channels, and get as many. Not if left out.
   */
  hasLatents?: boolean;
  /** Scores become `softCap * tanh(score / softCap)`; not if null or left out. */
  softCap?: number | null;
}

/** Channels of a query, and of what it gets. */
export function querySize(
  { headSize, hasLatents = false }: Pick<AttentionShape, "headSize" | "hasLatents">,
): number {
  return hasLatents ? 2 * headSize : headSize;
}

/** How a sequence is split, and where the partial results of its splits lie. */
export interface SplitShape {
  /** Sealed blocks of one split; a constant, so that a row's result depends on the row alone. */
  blocksPerSplit: number;
  /** Splits that a row's partials have room for: sealed ones and the window's. */
  splitCountMax: number;
  /** Words of a partial result; m, l and o of every channel if left out. */
  partialWords?: number;
}

/** Query heads of one KV head, in `vectorCount` vectors of `vectorSize`. */
export interface HeadGroup {
  /** Query heads per KV head. */
  groupSize: number;
  vectorCount: number;
  /** 2 to 4; the last vector may hold heads that do not exist. */
  vectorSize: number;
}

const GROUP_SIZE_MAX = 16;
const VECTOR_SIZE_MAX = 4;

/**
 * Checks a shape and lays its query heads out in vectors.
 *
 * @throws {RangeError} if the shape is outside its limits.
 */
export function headGroup(shape: AttentionShape): HeadGroup {
  const { kvHeadCount, queryHeadCount } = shape;
  checkHeadSize(shape);
  const groupSize = divExact(queryHeadCount, kvHeadCount);
  if (groupSize < 1 || groupSize > GROUP_SIZE_MAX) {
    throw new RangeError(
      `Cannot attend: ${groupSize} query heads per KV head, must be 1 to ${GROUP_SIZE_MAX}`,
    );
  }
  const vectorCount = divCeil(groupSize, VECTOR_SIZE_MAX);
  return { groupSize, vectorCount, vectorSize: Math.max(2, divCeil(groupSize, vectorCount)) };
}

/**
 * Checks what lanes share among them.
 *
 * @throws {RangeError} if heads have a size that no kernel takes.
 */
export function checkHeadSize({ headSize }: Pick<AttentionShape, "headSize">): void {
  if (headSize % 32 === 0 && headSize >= 32 && headSize <= HEAD_SIZE_MAX) return;
  throw new RangeError(
    `Cannot attend: head size is ${headSize}, must be a multiple of 32 up to ${HEAD_SIZE_MAX}`,
  );
}

/**
 * Text of the vectors `Heads` and `HeadsCount`, and for each vector `i` of
 * `load_query_<i>(workgroup, channel)`; heads that do not exist load as 0.
 * Needs `q`, `query_place`, `QUERY_SIZE`.
 */
export function queriesText(group: HeadGroup): string {
  const { groupSize, vectorCount, vectorSize } = group;
  let text = `alias Heads = vec${vectorSize}<f32>;\nalias HeadsCount = vec${vectorSize}<u32>;\n`;
  for (let vector = 0; vector < vectorCount; vector++) {
    const loads = headsOfVector(group, vector).map((head) =>
      head < groupSize ? `q[query_place(workgroup, ${head}u) * QUERY_SIZE + channel]` : "0.0"
    );
    text += `fn load_query_${vector}(workgroup: vec3<u32>, channel: u32) -> Heads {
  return Heads(${loads.join(", ")});
}
`;
  }
  return text;
}

/** Text of `largest_of_<i>(heads)`: the largest of the heads of vector `i` that exist. */
export function largestText(group: HeadGroup): string {
  let text = "";
  for (let vector = 0; vector < group.vectorCount; vector++) {
    const { length } = headsOfVector(group, vector).filter((head) => head < group.groupSize);
    const largest = Array.from({ length }, (_, at) => `heads[${at}]`)
      .reduce((before, head) => `max(${before}, ${head})`);
    text += `fn largest_of_${vector}(heads: Heads) -> f32 {\n  return ${largest};\n}\n`;
  }
  return text;
}

/**
 * {@link queriesText} with `load_partial_<i>(workgroup, split, offset)` and
 * `store_partial_<i>(workgroup, split, offset, heads)` for each vector `i`; heads that do not exist
 * are not stored. Also `capped(scores)`. Needs `partials`, {@link attentionConstants} too.
 */
export function headsText(group: HeadGroup, { softCap = null }: AttentionShape): string {
  const { groupSize, vectorCount, vectorSize } = group;
  let text = queriesText(group) + cappedText(softCap);
  for (let vector = 0; vector < vectorCount; vector++) {
    const heads = headsOfVector(group, vector);
    const stores = heads.filter((head) => head < groupSize).map((head) =>
      `  let place${head} = query_place(workgroup, ${head}u) * SPLIT_COUNT_MAX + split;
  partials[place${head} * PARTIAL_WORDS + offset] = heads[${head % vectorSize}];
`
    );
    const earlier = heads.map((head) => {
      const place = `query_place(workgroup, ${head}u) * SPLIT_COUNT_MAX + split`;
      return head < groupSize ? `partials[(${place}) * PARTIAL_WORDS + offset]` : "0.0";
    });
    text += `fn load_partial_${vector}(workgroup: vec3<u32>, split: u32, offset: u32) -> Heads {
  return Heads(${earlier.join(", ")});
}
fn store_partial_${vector}(workgroup: vec3<u32>, split: u32, offset: u32, heads: Heads) {
${stores.join("")}}
`;
  }
  return text;
}

/**
 * Text of `capped(scores)`, of `Heads`. Beyond 20, tanh is 1 in f32; some drivers make NaN of a
 * much larger argument.
 */
export function cappedText(softCap: number | null): string {
  if (softCap === null) return "fn capped(scores: Heads) -> Heads {\n  return scores;\n}\n";
  const cap = Number.isInteger(softCap) ? `${softCap}.0` : String(softCap);
  return `fn capped(scores: Heads) -> Heads {
  return ${cap} * tanh(clamp(scores / ${cap}, Heads(-20.0), Heads(20.0)));
}
`;
}

/**
 * Text of `seen_count_<i>(workgroup)`: for each head of vector `i`, the tokens it may see. Needs
 * `query_seen_count`.
 */
export function seenText(group: HeadGroup): string {
  let text = "";
  for (let vector = 0; vector < group.vectorCount; vector++) {
    const counts = headsOfVector(group, vector).map((head) =>
      `query_seen_count(workgroup, ${Math.min(head, group.groupSize - 1)}u)`
    );
    text += `fn seen_count_${vector}(workgroup: vec3<u32>) -> HeadsCount {
  return HeadsCount(${counts.join(", ")});
}
`;
  }
  return text;
}

function headsOfVector(group: HeadGroup, vector: number): number[] {
  const { vectorSize } = group;
  return Array.from({ length: vectorSize }, (_, i) => vector * vectorSize + i);
}

/** Constants that every attention kernel shares. */
export function attentionConstants(
  shape: AttentionShape,
  splits: SplitShape,
): Record<string, number> {
  return {
    ...BLOCK_CONSTANTS,
    D: shape.headSize,
    QUERY_SIZE: querySize(shape),
    KV_HEAD_COUNT: shape.kvHeadCount,
    QUERY_HEAD_COUNT: shape.queryHeadCount,
    GROUP_SIZE: divExact(shape.queryHeadCount, shape.kvHeadCount),
    BLOCKS_PER_SPLIT: splits.blocksPerSplit,
    SPLIT_COUNT_MAX: splits.splitCountMax,
    PARTIAL_WORDS: splits.partialWords ?? querySize(shape) + 2,
  };
}

/** Rounds of a split: as many blocks are scored together as workgroup memory has room for. */
export interface RoundShape {
  blocksPerRound: number;
  /** Whether a split may have more than one round. */
  isSplit: boolean;
}

/**
 * The largest rounds that fit.
 *
 * @param options `blocksPerSplit`: blocks of a split; no round has more, nor `blocksPerRoundMax`.
 * `textOf`: text of a kernel for rounds of some size.
 * @throws {RangeError} if not even one block fits.
 */
export function chooseRounds(
  label: string,
  { workgroupMemoryBytesMax }: Pick<AdapterFacts, "workgroupMemoryBytesMax">,
  { blocksPerSplit, blocksPerRoundMax = blocksPerSplit, textOf }: {
    blocksPerSplit: number;
    blocksPerRoundMax?: number;
    textOf: (rounds: RoundShape) => string;
  },
): RoundShape {
  const rounds = (blocksPerRound: number): RoundShape => {
    return { blocksPerRound, isSplit: blocksPerRound < blocksPerSplit };
  };
  const bytesOf = (count: number) => workgroupMemoryBytes(textOf(rounds(count)));
  const [one, two] = [bytesOf(1), bytesOf(2)];
  if (one > workgroupMemoryBytesMax) {
    throw new RangeError(
      `Cannot run ${label}: it takes ${one} bytes of workgroup memory, ` +
        `the adapter has ${workgroupMemoryBytesMax}`,
    );
  }
  const more = two > one ? Math.floor((workgroupMemoryBytesMax - one) / (two - one)) : Infinity;
  let blocksPerRound = Math.min(blocksPerSplit, blocksPerRoundMax, 1 + more);
  // Each variable is rounded up, so a block may take some bytes more than the second did.
  while (bytesOf(blocksPerRound) > workgroupMemoryBytesMax) blocksPerRound--;
  return rounds(blocksPerRound);
}

/** Words of the partial results of `rowCount` rows. */
export function partialsWords(shape: AttentionShape, splits: SplitShape, rowCount: number): number {
  return rowCount * shape.queryHeadCount * splits.splitCountMax * (querySize(shape) + 2);
}

/** Splits of `blockCount` sealed blocks. */
export function sealedSplitCount(blockCount: number, splits: SplitShape): number {
  return divCeil(blockCount, splits.blocksPerSplit);
}
