import { assert, assertEquals } from "@std/assert";
import { ENTRY_WORDS, entryWords, type Row, rowWords } from "../../src/core/row.ts";
import { BlockSelectKernel } from "../../src/kernels/block_select/top.ts";
import { BlockShareKernel, setWords } from "../../src/kernels/block_select/share.ts";
import { blockSelectReference, blockShareReference } from "../../src/reference/block_select.ts";
import { readU32, submitPass, testGpu } from "../support/gpu.ts";
import { seededNormals, seededRandom } from "../support/numeric.ts";

const KV_HEAD_COUNT = 2;
const LIST_MAX = 150;

/** What rows may read, and how many records they do. */
const CASES = [
  { count: 150, chosen: 20, why: "more blocks than threads" },
  { count: 65, chosen: 64, why: "all but one" },
  { count: 40, chosen: 1, why: "the first block alone" },
  { count: 12, chosen: 12, why: "all" },
  { count: 1, chosen: 1, why: "a single block" },
  { count: 0, chosen: 0, why: "none" },
];

const SCORES = {
  "normal scores": (count: number) => seededNormals(count, 7),
  "scores of which many are equal": (count: number) =>
    seededNormals(count, 8).map((value) => Math.round(value) + 0),
  "equal scores": (count: number) => new Float32Array(count).fill(-3),
};

/** Read lists of rows, some of whose records have no tokens. */
function listsOf(rowCount: number, seed: number) {
  const random = seededRandom(seed);
  const directory = new Uint32Array(rowCount * LIST_MAX * ENTRY_WORDS);
  const tokenCounts: number[] = [];
  for (let entry = 0; entry < rowCount * LIST_MAX; entry++) {
    const isFirst = entry % LIST_MAX === 0;
    const tokenCount = !isFirst && random() < 0.1 ? 0 : 64;
    tokenCounts.push(tokenCount);
    directory.set(entryWords({ word: 4 * entry, tokenCount, isFirst }), entry * ENTRY_WORDS);
  }
  return { directory, tokenCounts };
}

for (const [what, scoresOf] of Object.entries(SCORES)) {
  Deno.test(`each row and KV head reads the records with the largest scores (${what})`, async () => {
    const { directory, tokenCounts } = listsOf(CASES.length, 3);
    const scores = scoresOf(CASES.length * KV_HEAD_COUNT * LIST_MAX);
    const rows = CASES.map(({ count }, row): Row => {
      const listStart = row * LIST_MAX;
      return {
        slot: row,
        position: 64 * count,
        listStart,
        listCount: count,
        firstWindowBlock: count,
        idIndex: 0,
      };
    });
    const chosen = rows.map((row, index) => ({
      ...row,
      listStart: index * KV_HEAD_COUNT * LIST_MAX,
      listStride: LIST_MAX,
      listCount: CASES[index].chosen,
    }));
    const gpu = await testGpu();
    const options = { kvHeadCount: KV_HEAD_COUNT, listCountMax: LIST_MAX };
    const kernel = await BlockSelectKernel.create(gpu, options);
    const wordCount = scores.length * ENTRY_WORDS;
    const lists = gpu.createBufferWith("lists", new Uint32Array(wordCount).fill(7));
    const bound = kernel.bind({
      rows: gpu.createBufferWith("rows", rowWords(rows)),
      chosen: gpu.createBufferWith("chosen", rowWords(chosen)),
      directory: gpu.createBufferWith("directory", directory),
      scores: gpu.createBufferWith("scores", scores),
      lists,
    });
    submitPass(gpu, (pass) => kernel.encode(pass, bound, CASES.length));
    const words = await readU32(gpu, lists, wordCount);
    for (const [row, { count, chosen, why }] of CASES.entries()) {
      for (let head = 0; head < KV_HEAD_COUNT; head++) {
        const start = (row * KV_HEAD_COUNT + head) * LIST_MAX;
        const blocks = blockSelectReference(scores.subarray(start, start + count), {
          count: chosen,
          tokenCounts: tokenCounts.slice(row * LIST_MAX, row * LIST_MAX + count),
        });
        const entries = blocks.flatMap((block) => {
          const entry = row * LIST_MAX + block;
          return [...directory.subarray(entry * ENTRY_WORDS, (entry + 1) * ENTRY_WORDS)];
        });
        const own = words.subarray(start * ENTRY_WORDS, (start + LIST_MAX) * ENTRY_WORDS);
        assertEquals([...own.subarray(0, chosen * ENTRY_WORDS)], entries, `${why}, head ${head}`);
        assertEquals(own.subarray(chosen * ENTRY_WORDS).every((word) => word === 7), true, why);
      }
    }
  });
}

const GROUP_SIZE = 3;

/** Blocks that may be read, the share of attention that is, and what the window has of it. */
const SHARES = [
  { count: 150, share: 0.98, window: 0.2, why: "more words than a thread has" },
  { count: 150, share: 0.5, window: 0.2, why: "fewer of them" },
  { count: 65, share: 1, window: 0.2, why: "all of it" },
  { count: 40, share: 0.3, window: 0.4, why: "the window has enough" },
  { count: 33, share: 0.9, window: 0, why: "nothing in the window" },
  { count: 1, share: 0.9, window: 0.1, why: "a single block" },
  { count: 0, share: 0.9, window: 1, why: "none" },
];

/** Attention of blocks by row and KV head, as unequal as asked. */
function attentionOf(spread: number, tokenCounts: readonly number[]): Float32Array<ArrayBuffer> {
  const scores = new Float32Array(SHARES.length * KV_HEAD_COUNT * LIST_MAX);
  for (const [row, { count, window }] of SHARES.entries()) {
    for (let head = 0; head < KV_HEAD_COUNT; head++) {
      const start = (row * KV_HEAD_COUNT + head) * LIST_MAX;
      const own = Array.from(
        seededNormals(count, 9 + start, spread),
        (value, block) => tokenCounts[row * LIST_MAX + block] === 0 ? 0 : Math.exp(value),
      );
      const all = own.reduce((sum, value) => sum + value, 0);
      own.forEach((value, block) =>
        scores[start + block] = GROUP_SIZE * (1 - window) * value / all
      );
    }
  }
  return scores;
}

/** How unequal blocks are: attention of most queries is, and equal blocks go by their order. */
for (const [what, spread] of [["unequal", 3], ["equal", 0]] as const) {
  Deno.test(`each row and KV head reads the fewest records that get a share (${what})`, async () => {
    const { directory, tokenCounts } = listsOf(SHARES.length, 5);
    const scores = attentionOf(spread, tokenCounts);
    const rows = SHARES.map(({ count }, row): Row => {
      const place = { slot: 0, listStart: row * LIST_MAX, idIndex: 0 };
      return { ...place, position: 64 * count, listCount: count, firstWindowBlock: count };
    });
    const chosen = rows.map((row, index) => {
      const listStart = index * KV_HEAD_COUNT * LIST_MAX;
      return { ...row, listStart, listStride: LIST_MAX };
    });
    const gpu = await testGpu();
    const kernel = await BlockShareKernel.create(gpu, {
      kvHeadCount: KV_HEAD_COUNT,
      queryHeadCount: KV_HEAD_COUNT * GROUP_SIZE,
      listCountMax: LIST_MAX,
    });
    const entryCount = scores.length * ENTRY_WORDS;
    const lists = gpu.createBufferWith("lists", new Uint32Array(entryCount).fill(7));
    const wordCount = SHARES.length * KV_HEAD_COUNT * setWords(LIST_MAX);
    const sets = gpu.createBuffer("sets", wordCount * 4);
    const limits = SHARES.map(({ share }) => share >= 1 ? 1e30 : share * GROUP_SIZE);
    const bound = kernel.bind({
      rows: gpu.createBufferWith("rows", rowWords(rows)),
      chosen: gpu.createBufferWith("chosen", rowWords(chosen)),
      directory: gpu.createBufferWith("directory", directory),
      scores: gpu.createBufferWith("scores", scores),
      limits: gpu.createBufferWith("limits", Float32Array.from(limits)),
      lists,
      sets,
    });
    submitPass(gpu, (pass) => kernel.encode(pass, bound, SHARES.length));
    const words = await readU32(gpu, lists, entryCount);
    const bits = await readU32(gpu, sets, wordCount);
    for (const [row, { count, share, why }] of SHARES.entries()) {
      for (let head = 0; head < KV_HEAD_COUNT; head++) {
        const start = (row * KV_HEAD_COUNT + head) * LIST_MAX;
        const expected = blockShareReference(scores.subarray(start, start + count), {
          share,
          groupSize: GROUP_SIZE,
          tokenCounts: tokenCounts.slice(row * LIST_MAX, row * LIST_MAX + count),
        });
        const set = (row * KV_HEAD_COUNT + head) * setWords(LIST_MAX);
        const blocks = Array.from({ length: count }, (_, block) => block)
          .filter((block) => (bits[set + (block >> 5)] >>> (block & 31) & 1) === 1);
        assertEquals(blocks, expected, `${why}, head ${head}`);
        const entries = expected.flatMap((block) => {
          const entry = row * LIST_MAX + block;
          return [...directory.subarray(entry * ENTRY_WORDS, (entry + 1) * ENTRY_WORDS)];
        });
        const own = [...words.subarray(start * ENTRY_WORDS, (start + LIST_MAX) * ENTRY_WORDS)];
        const left = (count - expected.length) * ENTRY_WORDS;
        // What is left of the list are records of no tokens; what lies behind it is not touched.
        assertEquals(own.slice(0, count * ENTRY_WORDS), [...entries, ...Array(left).fill(0)], why);
        assertEquals(own.slice(count * ENTRY_WORDS).every((word) => word === 7), true, why);
      }
    }
  });
}

/** Whether each block is chosen, by sums in f32 of all that come before it: of each with each. */
function chosenByAllPairs(
  scores: Float32Array,
  { limit, window, tokenCounts }: { limit: number; window: number; tokenCounts: readonly number[] },
): boolean[] {
  return Array.from(scores, (own, block) => {
    let sum = window;
    scores.forEach((score, other) => {
      const isBefore = other === 0 || score > own || (score === own && other < block);
      if (block > 0 && isBefore && tokenCounts[other] > 0) sum = Math.fround(sum + score);
    });
    return tokenCounts[block] > 0 && (block === 0 || sum <= limit);
  });
}

Deno.test("of 128K tokens the same records are chosen as by comparing each with each, to the bit", async () => {
  const count = 2048;
  const random = seededRandom(11);
  const tokenCounts = Array.from(
    { length: count },
    (_, block) => block > 0 && random() < 0.1 ? 0 : 64,
  );
  const directory = Uint32Array.from(
    tokenCounts.flatMap((tokenCount, block) => [
      ...entryWords({ word: 4 * block, tokenCount, isFirst: block === 0 }),
    ]),
  );
  // Rows of unequal scores, of scores of which many are equal, and of none that differ.
  const rows = [
    seededNormals(count, 12, 3).map((value) => Math.exp(value) / 4e5),
    seededNormals(count, 13, 3).map((value) => 2 ** Math.round(value) / 4e5),
    new Float32Array(count).fill(1 / 3000),
  ].map((scores) => scores.map((score, block) => tokenCounts[block] === 0 ? 0 : score));
  const limits: number[] = [];
  const expected = rows.map((scores) => {
    const all = scores.reduce((sum, score) => Math.fround(sum + score), 0);
    const window = Math.max(0, Math.fround(1 - all));
    // The limit is just what comes before some record: with less it would not be chosen.
    const ranked = [...scores.keys()].filter((block) => block > 0 && tokenCounts[block] > 0)
      .sort((a, b) => scores[b] - scores[a] || a - b);
    const before = new Set(ranked.slice(0, ranked.length / 4));
    const limit = scores.reduce(
      (sum, score, block) => block === 0 || before.has(block) ? Math.fround(sum + score) : sum,
      window,
    );
    limits.push(limit);
    return chosenByAllPairs(scores, { limit, window, tokenCounts });
  });
  const gpu = await testGpu();
  const kernel = await BlockShareKernel.create(gpu, {
    kvHeadCount: 1,
    queryHeadCount: 1,
    listCountMax: count,
  });
  const described = rows.map((_, slot): Row => {
    const place = { slot, listStart: 0, idIndex: 0, position: 64 * count };
    return { ...place, listCount: count, firstWindowBlock: count };
  });
  const setCount = rows.length * setWords(count);
  const sets = gpu.createBuffer("sets", setCount * 4);
  const bound = kernel.bind({
    rows: gpu.createBufferWith("rows", rowWords(described)),
    chosen: gpu.createBufferWith(
      "chosen",
      rowWords(described.map((row, index) => ({ ...row, listStart: index * count }))),
    ),
    directory: gpu.createBufferWith("directory", directory),
    scores: gpu.createBufferWith("scores", Float32Array.from(rows.flatMap((row) => [...row]))),
    limits: gpu.createBufferWith("limits", Float32Array.from(limits)),
    lists: gpu.createBuffer("lists", rows.length * count * ENTRY_WORDS * 4),
    sets,
  });
  submitPass(gpu, (pass) => kernel.encode(pass, bound, rows.length));
  const bits = await readU32(gpu, sets, setCount);
  for (const [row, chosen] of expected.entries()) {
    const found = chosen.map((_, block) =>
      (bits[row * setWords(count) + (block >> 5)] >>> (block & 31) & 1) === 1
    );
    assertEquals(found, chosen, `row ${row}`);
    assert(chosen.filter(Boolean).length > 100, "some are chosen");
    assert(chosen.filter((is) => !is).length > 400, "some are not");
  }
});

Deno.test("the fewest blocks that get a share are none fewer, and none but the first by itself", () => {
  const scores = [0.05, 0.3, 0.1, 0.3, 0.05];
  const tokenCounts = [64, 64, 64, 64, 64];
  const of = (share: number, groupSize = 1) =>
    blockShareReference(scores, { share, groupSize, tokenCounts });
  // The window has 0.2 of the attention.
  assertEquals(of(0.1), [0]);
  assertEquals(of(0.5), [0, 1]);
  assertEquals(of(0.6), [0, 1, 3]);
  assertEquals(of(0.9), [0, 1, 2, 3]);
  assertEquals(of(1), [0, 1, 2, 3, 4]);
});
