/** What methods keep, against plain loops written from the papers, and what asks for them. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import type { StoreScores } from "../../src/scheduler/keep/method.ts";
import { keepMethod } from "../../src/scheduler/keep/registry.ts";
import { wholePacks } from "../../src/scheduler/keep/whole_packs.ts";
import { Compaction } from "../../src/scheduler/keep/compaction.ts";
import { seededNormals, seededRandom } from "../support/numeric.ts";
import { chunkKvReference, dBudgetKvReference, thinkReference } from "./keep_reference.ts";

/** Attention of a prompt: most tokens get little, some much, as text has it. */
function seededScores(tokenCount: number, headCount: number, seed: number): StoreScores {
  const random = seededRandom(seed);
  const row = () => {
    const weights = Float64Array.from({ length: tokenCount }, () => random() ** 30);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return Float32Array.from(weights, (weight) => weight / total);
  };
  const lastByHead = Array.from({ length: headCount }, row);
  const sums = row().map((value) => 32 * value);
  return { sums, lastByHead };
}

const PROMPTS = [
  { promptTokenCount: 530, sealedTokenCount: 384, sinkCount: 4, packTokenCount: 1 },
  { promptTokenCount: 2000, sealedTokenCount: 1856, sinkCount: 0, packTokenCount: 1 },
  { promptTokenCount: 192, sealedTokenCount: 64, sinkCount: 4, packTokenCount: 1 },
];

for (const [seed, counts] of PROMPTS.entries()) {
  const scores = seededScores(counts.promptTokenCount, 5, seed + 1);

  for (const ratio of [0.1, 0.2, 0.5, 1]) {
    for (const chunkSize of [10, 16, 64]) {
      Deno.test(`chunkkv keeps the chunks of a plain reference: ${ratio} of ${counts.promptTokenCount} tokens in chunks of ${chunkSize}`, () => {
        const method = keepMethod(`chunkkv:ratio=${ratio},chunk=${chunkSize}`)!;
        const budget = Math.floor(ratio * counts.promptTokenCount);
        const expected = chunkKvReference(scores, { ...counts, sinkCount: 4 }, {
          chunkSize,
          budget,
        });
        assertEquals(method.choose(scores, counts), expected);
      });
    }
  }

  for (const theta of [0.001, 0.01, 0.1]) {
    for (const rank of ["position", "attention"] as const) {
      Deno.test(`dbudgetkv cuts where a plain reference does: ${theta} by ${rank} of ${counts.promptTokenCount} tokens`, () => {
        const method = keepMethod(`dbudgetkv:theta=${theta},rank=${rank}`)!;
        const expected = dBudgetKvReference(scores, { ...counts, sinkCount: 4 }, { theta, rank });
        assertEquals(method.choose(scores, counts), expected);
      });
    }
  }

  Deno.test(`chunkkv:budget=auto drops as many chunks as the norm allows, of ${counts.promptTokenCount} tokens`, () => {
    const method = keepMethod("chunkkv:budget=auto,theta=0.05")!;
    const kept = method.choose(scores, counts);
    const { promptTokenCount, sealedTokenCount } = counts;
    const all = { ...counts, sinkCount: 4 };
    const lossOf = (tokens: readonly number[]) => lossBy(scores, tokens, sealedTokenCount);
    assert(lossOf(kept) <= 0.05);
    // Every smaller number of the best chunks loses more.
    for (let budget = promptTokenCount; budget > 0; budget -= 16) {
      const fewer = chunkKvReference(scores, all, { chunkSize: 16, budget });
      if (fewer.length >= kept.length) continue;
      assert(lossOf(fewer) > 0.05, `${fewer.length} of ${kept.length}`);
    }
  });
}

/** Share of the last query's norm that is lost with these tokens of the sealed ones. */
function lossBy(
  { lastByHead }: ReturnType<typeof seededScores>,
  tokens: readonly number[],
  sealedTokenCount: number,
): number {
  const kept = new Set(tokens);
  const norm = (isKept: (token: number) => boolean) =>
    lastByHead.reduce((sum, attention) => {
      const squares = Float64Array.from(attention, (own, token) => isKept(token) ? own ** 2 : 0);
      return sum + Math.sqrt(squares.reduce((total, own) => total + own, 0));
    }, 0);
  return 1 - norm((token) => token >= sealedTokenCount || kept.has(token)) / norm(() => true);
}

for (const kind of ["dbudgetkv:rank=attention", "dbudgetkv:rank=position", "chunkkv:budget=auto"]) {
  const text = `${kind},theta=0.05`;
  Deno.test(`${text} loses no more than its theta in whole packs either`, () => {
    const method = keepMethod(text)!;
    for (const sinkCount of [2, 4]) {
      const counts = { ...PROMPTS[1], sinkCount, packTokenCount: 8 };
      const scores = seededScores(counts.promptTokenCount, 5, 9);
      const chosen = method.choose(scores, counts);
      const kept = wholePacks(chosen, { ...counts, needsAll: method.needsAll });
      assert(lossBy(scores, kept, counts.sealedTokenCount) <= 0.05);
      assert(kept.length < 0.95 * counts.sealedTokenCount, `${kept.length} tokens stay`);
    }
  });
}

for (const [headSize, ratio] of [[64, 0.4], [96, 0.3], [128, 0.5]]) {
  Deno.test(`think drops the channels of a plain reference: ${ratio} of heads of ${headSize}`, () => {
    const [kvHeadCount, groupSize] = [2, 3];
    const channelCount = kvHeadCount * headSize;
    const row = (seed: number, count: number) =>
      seededNormals(count, seed).map((value, index) => value * (1 + (index * 7) % 13));
    const queries = Array.from({ length: 32 }, (_, seed) => row(seed, groupSize * channelCount));
    const keys = Array.from({ length: 90 }, (_, seed) => row(100 + seed, channelCount));
    const squares = (rows: readonly Float32Array[], channelOf: (index: number) => number) => {
      const sums = new Float64Array(channelCount);
      for (const each of rows) each.forEach((value, i) => sums[channelOf(i)] += value ** 2);
      return sums;
    };
    const groupOf = (i: number) => Math.floor(i / (groupSize * headSize)) * headSize + i % headSize;
    const method = keepMethod(`think:ratio=${ratio}`)!;
    const scores = { queries: squares(queries, groupOf), keys: squares(keys, (i) => i), headSize };
    const kept = method.keepChannels!(scores);
    const expected = thinkReference(queries, keys, { headSize, ratio });
    assertEquals(channelsOf(kept), expected);
    assertEquals(expected.length, kvHeadCount * (headSize - Math.floor(ratio * headSize)));
    // Keys alone would drop others.
    assert(
      channelsOf(kept).join() !== channelsOf(method.keepChannels!({
        ...scores,
        queries: new Float64Array(channelCount).fill(1),
      })).join(),
    );
  });
}

/** Channels whose bits are set. */
function channelsOf(words: Uint32Array): number[] {
  return Array.from({ length: 32 * words.length }, (_, channel) => channel)
    .filter((channel) => (words[channel >> 5] >>> (channel & 31)) & 1);
}

Deno.test("chunkkv with think keeps the tokens of the one and the channels of the other", () => {
  const scores = seededScores(530, 5, 3);
  const both = keepMethod("chunkkv:ratio=0.5,think:ratio=0.2")!;
  const tokens = both.choose(scores, PROMPTS[0]);
  assertEquals(tokens, keepMethod("chunkkv:ratio=0.5")!.choose(scores, PROMPTS[0]));
  const { observation } = keepMethod("dbudgetkv,think")!;
  assertEquals(observation.queryCount, 32);
  assert(observation.needsChannels && observation.needsLastQuery);
});

const WRONG: [text: string, message: string][] = [
  ["", "no method is called ; wanted chunkkv, dbudgetkv, think or all"],
  ["snapkv", "no method is called snapkv; wanted chunkkv, dbudgetkv, think or all"],
  ["think:ratio=1", "ratio is 1; wanted 0.05 to 0.9"],
  ["think:theta=1", "think has no setting theta; it has ratio, w"],
  ["think,think", "think stands twice"],
  ["chunkkv:reuse=2,think", "reuse is for tokens alone"],
  ["chunkkv:w=16,think:w=32", "wanted one w for both"],
  ["chunkkv:", "wanted settings behind chunkkv:"],
  ["chunkkv:ratio", "wanted settings behind chunkkv:"],
  ["chunkkv:size=3", "chunkkv has no setting size; it has ratio, tokens"],
  ["chunkkv:ratio=2", "ratio is 2; wanted 0.01 to 1"],
  ["chunkkv:ratio=", "ratio is empty; wanted 0.01 to 1"],
  ["chunkkv:chunk=0", "chunk is 0; wanted a whole number from 1 to 64"],
  ["chunkkv:chunk=16,chunk=32", "chunk stands twice"],
  ["chunkkv:ratio=0.5,tokens=100", "ratio and tokens say the same"],
  ["chunkkv:theta=0.1", "theta goes with budget=auto"],
  ["dbudgetkv:rank=age", "rank is age; wanted position or attention"],
  ["dbudgetkv:w=8", "w goes with rank=attention"],
  ["chunkkv:ratio=0.5,dbudgetkv", "chunkkv and dbudgetkv both say which tokens stay"],
  ["all,dbudgetkv", "all stands alone"],
  ["ratio=0.5", "wanted chunkkv, dbudgetkv, think or all before ratio=0.5"],
  ["constructor", "no method is called constructor"],
];

for (const [text, message] of WRONG) {
  Deno.test(`keepMethod() refuses ${JSON.stringify(text)} and says what would be right`, () => {
    assertThrows(() => keepMethod(text), RangeError, message);
  });
}

Deno.test("Compaction moves every kept token once, in order, from where it lies", () => {
  const kept = [[0, 1, 2, 3, 70, 71, ...Array.from({ length: 90 }, (_, i) => 130 + i)], [
    0,
    1,
    2,
    3,
  ]];
  const recordOffsets = Array.from({ length: 4 }, (_, block) => [1000 * block, 1000 * block + 500]);
  const compaction = new Compaction(kept, { recordOffsets, sinkCount: 4 });
  assertEquals(compaction.blockCount, 2);
  const gathers = [0, 1].map((index) => compaction.gather(index));
  assertEquals(gathers.map(({ tokenCounts }) => tokenCounts), [[64, 4], [32, 0]]);
  assertEquals(gathers.map(({ sinkRecords }) => sinkRecords), [[0, 500], null]);
  const moved = gathers.flatMap(({ sources: [own] }) =>
    Array.from({ length: own.length / 2 }, (_, index) => {
      const [record, place] = own.subarray(2 * index, 2 * index + 2);
      return record / 1000 * 64 + place + (record === 0 ? 4 : 0);
    })
  );
  assertEquals(moved, kept[0].slice(4));
  assertEquals([0, 1].map((index) => compaction.firstNeeded(index)), [0, 2]);
});
