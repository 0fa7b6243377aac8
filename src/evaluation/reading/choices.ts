/**
 * Choices of what a query reads, in f64 on the CPU, for one KV head: those of the product by
 * blocks, the published ones by pages and by tokens, and the best that there could be.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";

/** Tokens that a KV head may choose among, and the queries of its group. */
export interface ChoiceInput {
  /** `[tokens][headSize]`, after RoPE. */
  keys: readonly Float64Array[];
  /** `[heads of the group][headSize]`. */
  queries: readonly Float64Array[];
  /** Attention that each token gets, summed over the heads. */
  attention: Float64Array;
}

/** Chooses among the tokens of a KV head; what it makes of the keys alone is made once. */
export interface Choice {
  name: string;
  /** Of keys: what ranks runs of tokens for queries. */
  prepare(keys: readonly Float64Array[]): (input: ChoiceInput) => readonly ScoredRun[];
}

/** Tokens that are read together, and how much the queries want them. */
export interface ScoredRun {
  tokens: readonly number[];
  score: number;
}

/** First tokens that every choice reads, as the product does. */
const ALWAYS_COUNT = BLOCK_TOKEN_COUNT;
/** Tokens of a page as published by Quest. */
const QUEST_PAGE_TOKENS = 16;
/** Tokens of a cluster on average: 400 clusters of 32K, as published by ClusterKV. */
const TOKENS_PER_CLUSTER = 80;
const CLUSTER_ROUND_COUNT = 20;
/** Of the two clusters of a block. */
const BLOCK_ROUND_COUNT = 4;

/** The choices that are compared. */
export const CHOICES: readonly Choice[] = [
  { name: "oracle, tokens", prepare: () => byAttention(1) },
  { name: "oracle, blocks", prepare: () => byAttention(BLOCK_TOKEN_COUNT) },
  { name: "quest, blocks of 64", prepare: (keys) => byRange(keys, BLOCK_TOKEN_COUNT) },
  { name: "quest, pages of 16 (published)", prepare: (keys) => byRange(keys, QUEST_PAGE_TOKENS) },
  { name: "clusterkv, two clusters a block", prepare: byBlockClusters },
  { name: "clusterkv, tokens (published)", prepare: byClusters },
];

/**
 * The tokens that are read: the first block, then runs by their scores until there are `budget`, of
 * which the last run may be cut.
 */
export function chosenTokens(runs: readonly ScoredRun[], budget: number): Set<number> {
  const chosen = new Set<number>();
  for (let token = 0; token < ALWAYS_COUNT; token++) chosen.add(token);
  const sorted = [...runs].sort((a, b) => b.score - a.score);
  for (const { tokens } of sorted) {
    for (const token of tokens) {
      if (chosen.size >= budget) return chosen;
      chosen.add(token);
    }
  }
  return chosen;
}

/** How HCAttention takes the tokens that get most attention. */
export interface SharedChoice {
  name: string;
  /** Tokens that are taken together. */
  runLength: number;
  /** First tokens that are always taken. */
  alwaysCount: number;
}

/** Token by token as published, and by blocks as here. */
export const SHARED_CHOICES: readonly SharedChoice[] = [
  { name: "hcattention, tokens (published)", runLength: 1, alwaysCount: 0 },
  { name: "hcattention, blocks of 64", runLength: BLOCK_TOKEN_COUNT, alwaysCount: ALWAYS_COUNT },
];

/**
 * The smallest set of tokens whose attention, with that of the window, exceeds `share` of all.
 * HCAttention, arXiv:2507.19823.
 *
 * @param attention What each token gets, summed over the heads of a group.
 * @param options `inWindow`: what the window gets, which is read besides. `all`: what all get.
 */
export function smallestSet(
  attention: Float64Array,
  { choice: { runLength, alwaysCount }, inWindow, all, share }: {
    choice: SharedChoice;
    inWindow: number;
    all: number;
    share: number;
  },
): Set<number> {
  const scored = byAttention(runLength)({ attention })
    .sort((a, b) => orderOf(b, alwaysCount) - orderOf(a, alwaysCount));
  const chosen = new Set<number>();
  let sum = inWindow;
  for (const { tokens, score } of scored) {
    if (share < 1 && sum > share * all && !(tokens[0] < alwaysCount)) break;
    for (const token of tokens) chosen.add(token);
    sum += score;
  }
  return chosen;
}

function orderOf({ tokens, score }: ScoredRun, alwaysCount: number): number {
  return tokens[0] < alwaysCount ? Infinity : score;
}

function byAttention(runLength: number) {
  return ({ attention }: Pick<ChoiceInput, "attention">) =>
    runsOf(attention.length, runLength).map((tokens) => {
      return { tokens, score: tokens.reduce((sum, token) => sum + attention[token], 0) };
    });
}

function byRange(keys: readonly Float64Array[], pageTokens: number) {
  const pages = runsOf(keys.length, pageTokens).map((tokens) => {
    const least = keys[tokens[0]].slice();
    const largest = least.slice();
    for (const token of tokens) {
      keys[token].forEach((value, channel) => {
        least[channel] = Math.min(least[channel], value);
        largest[channel] = Math.max(largest[channel], value);
      });
    }
    return { tokens, least, largest };
  });
  return ({ queries }: ChoiceInput) =>
    pages.map(({ tokens, least, largest }) => {
      const bounds = queries.map((query) =>
        query.reduce(
          (sum, value, channel) => sum + Math.max(value * least[channel], value * largest[channel]),
          0,
        )
      );
      return { tokens, score: Math.max(...bounds) };
    });
}

function byBlockClusters(keys: readonly Float64Array[]) {
  const blocks = runsOf(keys.length, BLOCK_TOKEN_COUNT).map((tokens) => {
    const own = tokens.map((token) => keys[token]);
    const units = own.map(normed);
    const first = leastLike(units, meanOf(units));
    const seeds = [units[first], units[leastLike(units, units[first])]];
    const { members } = cosineClusters(units, seeds, BLOCK_ROUND_COUNT);
    const centroids = members.filter(({ length }) => length > 0)
      .map((cluster) => meanOf(cluster.map((place) => own[place])));
    return { tokens, centroids };
  });
  return ({ queries }: ChoiceInput) =>
    blocks.map(({ tokens, centroids }) => ({ tokens, score: bestProduct(queries, centroids) }));
}

function byClusters(keys: readonly Float64Array[]) {
  const units = keys.map(normed);
  const count = Math.max(1, Math.round(keys.length / TOKENS_PER_CLUSTER));
  const seeds = Array.from(
    { length: count },
    (_, cluster) => units[Math.floor((cluster + 0.5) * units.length / count)],
  );
  const { members } = cosineClusters(units, seeds, CLUSTER_ROUND_COUNT);
  const clusters = members.filter(({ length }) => length > 0).map((tokens) => {
    return { tokens, centroid: meanOf(tokens.map((token) => keys[token])) };
  });
  return ({ queries }: ChoiceInput) =>
    clusters.map(({ tokens, centroid }) => {
      return { tokens, score: bestProduct(queries, [centroid]) };
    });
}

/** k-means of directions by cosine; an empty cluster keeps its seed. */
export function cosineClusters(
  units: readonly Float64Array[],
  firstSeeds: readonly Float64Array[],
  roundCount: number,
): { members: number[][] } {
  let seeds = [...firstSeeds];
  let members: number[][] = [];
  for (let round = 0; round < roundCount; round++) {
    const next: number[][] = seeds.map(() => []);
    for (const [place, unit] of units.entries()) {
      let best = 0;
      let most = -Infinity;
      for (let seed = 0; seed < seeds.length; seed++) {
        const likeness = dot(unit, seeds[seed]);
        if (likeness > most) [most, best] = [likeness, seed];
      }
      next[best].push(place);
    }
    const isSame = members.length > 0 &&
      next.every((own, cluster) => own.join() === members[cluster].join());
    members = next;
    if (isSame) break;
    seeds = members.map((own, cluster) =>
      own.length === 0 ? seeds[cluster] : normed(meanOf(own.map((place) => units[place])))
    );
  }
  return { members };
}

function runsOf(tokenCount: number, runLength: number): number[][] {
  return Array.from({ length: Math.ceil(tokenCount / runLength) }, (_, run) => {
    const first = run * runLength;
    return Array.from({ length: Math.min(runLength, tokenCount - first) }, (_, at) => first + at);
  });
}

function bestProduct(
  queries: readonly Float64Array[],
  vectors: readonly Float64Array[],
): number {
  return Math.max(...queries.flatMap((query) => vectors.map((vector) => dot(query, vector))));
}

/** The first of the directions that are least like another. */
function leastLike(units: readonly Float64Array[], other: Float64Array): number {
  const likeness = units.map((unit) => dot(unit, other));
  return likeness.indexOf(Math.min(...likeness));
}

function normed(vector: Float64Array): Float64Array {
  const length = Math.sqrt(dot(vector, vector));
  return vector.map((value) => length === 0 ? 0 : value / length);
}

function meanOf(vectors: readonly Float64Array[]): Float64Array {
  const sum = new Float64Array(vectors[0].length);
  for (const vector of vectors) {
    for (let channel = 0; channel < sum.length; channel++) sum[channel] += vector[channel];
  }
  return sum.map((value) => value / vectors.length);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let channel = 0; channel < a.length; channel++) sum += a[channel] * b[channel];
  return sum;
}
