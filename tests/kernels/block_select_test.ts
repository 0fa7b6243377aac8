import { assertEquals } from "@std/assert";
import { ENTRY_WORDS, entryWords, type Row, rowWords } from "../../src/core/row.ts";
import { BlockSelectKernel } from "../../src/kernels/block_select/top.ts";
import { blockSelectReference } from "../../src/reference/block_select.ts";
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

for (const [what, scoresOf] of Object.entries(SCORES)) {
  Deno.test(`each row and KV head reads the records with the largest scores (${what})`, async () => {
    const random = seededRandom(3);
    const directory = new Uint32Array(CASES.length * LIST_MAX * ENTRY_WORDS);
    const tokenCounts: number[] = [];
    for (let entry = 0; entry < CASES.length * LIST_MAX; entry++) {
      const tokenCount = random() < 0.1 ? 0 : 64;
      tokenCounts.push(tokenCount);
      const words = entryWords({ word: 4 * entry, tokenCount, isFirst: entry % LIST_MAX === 0 });
      directory.set(words, entry * ENTRY_WORDS);
    }
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
