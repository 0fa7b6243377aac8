import { pointWords } from "../../src/codec/banded/points.ts";
import { assertEquals } from "@std/assert";
import { f16FromNumber, f16ToNumber } from "../../src/codec/f16.ts";
import { rawTileValues } from "../../src/codec/raw_tile.ts";
import { KEY, rawTileWords } from "../../src/codec/record.ts";
import { BLOCK_TOKEN_COUNT } from "../../src/core/shapes.ts";
import { partialsWords } from "../../src/kernels/text/attention.ts";
import { entryWords, readEntry, readRow, ROW_WORDS, rowWords } from "../../src/core/row.ts";
import { windowTile } from "../../src/core/shapes.ts";
import { readerWords } from "../../src/codec/banded/tables.ts";
import { bandedValues } from "../../src/codec/banded/values.ts";
import { AttentionDecodeBandedKernel } from "../../src/kernels/attention_decode/banded.ts";
import { AttentionDecodeRawKernel } from "../../src/kernels/attention_decode/raw.ts";
import { BlockAttentionKernel } from "../../src/kernels/block_scores/attention.ts";
import { BlockPartsKernel } from "../../src/kernels/block_scores/parts.ts";
import { BlockScoresKernel } from "../../src/kernels/block_scores/summary.ts";
import { blockShareReference } from "../../src/reference/block_select.ts";
import { blockAttentionReference, blockScoresReference } from "../../src/reference/block_scores.ts";
import { caseShape, makeAttentionCase, rowOf } from "../support/attention_case.ts";
import {
  type BandedAttentionCase,
  fittingTables,
  makeBandedAttentionCase,
} from "../support/banded_attention_case.ts";
import { readF32, submitPass, testGpu } from "../support/gpu.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";

/** f32 sums of up to 128 products. */
const NMSE_MAX = 1e-10;
const LIST_MAX = 24;

const HEADS = [
  { kvHeadCount: 2, groupSize: 1, headSize: 64 },
  { kvHeadCount: 2, groupSize: 5, headSize: 96 }, // two vectors, the last with heads that are none
];

for (const kind of ["range", "clusters"] as const) {
  for (const heads of HEADS) {
    const what = `${kind}, groups of ${heads.groupSize}`;
    Deno.test(`rows score the blocks they may read as the reference says (${what})`, async () => {
      const shape = caseShape(heads, { blocksPerSplit: 2, blockCountMax: LIST_MAX });
      const { kvHeadCount, queryHeadCount, headSize } = shape;
      const width = kvHeadCount * headSize;
      // More blocks than a workgroup scores, one, and none.
      const counts = [17, 1, 0];
      const q = seededNormals(counts.length * queryHeadCount * headSize, 3);
      const halves = seededNormals(2 * 2 * LIST_MAX * width, 5).map((value) => value - 0.4);
      const bits = Array.from(halves, f16FromNumber);
      const words = Uint32Array.from(
        { length: bits.length / 2 },
        (_, i) => bits[2 * i] | bits[2 * i + 1] << 16,
      );
      const rows = counts.map((blockCount, row) =>
        rowOf({ slot: row % 2, position: 64 * blockCount, blockCount }, LIST_MAX)
      );
      const gpu = await testGpu();
      const kernel = await BlockScoresKernel.create(gpu, { shape, kind, listCountMax: LIST_MAX });
      const count = counts.length * kvHeadCount * LIST_MAX;
      const scores = gpu.createBufferWith("scores", new Float32Array(count).fill(77));
      const bound = kernel.bind({
        q: gpu.createBufferWith("q", q),
        rows: gpu.createBufferWith("rows", rowWords(rows)),
        summaries: gpu.createBufferWith("summaries", words),
        scores,
      });
      submitPass(gpu, (pass) => kernel.encode(pass, bound, { rowCount: 3, listCount: 17 }));
      const actual = await readF32(gpu, scores, count);
      for (const [row, { listStart, listCount }] of rows.entries()) {
        const query = q.subarray(row * queryHeadCount * headSize);
        const expected = Array.from({ length: listCount }, (_, block) => {
          const start = 2 * (listStart + block) * width;
          const pairs = bits.slice(start, start + 2 * width).map(f16ToNumber);
          return blockScoresReference(shape, kind, { query, pairs });
        });
        for (let head = 0; head < kvHeadCount; head++) {
          const start = (row * kvHeadCount + head) * LIST_MAX;
          const own = actual.subarray(start, start + LIST_MAX);
          const wanted = expected.map((byHead) => byHead[head]);
          if (listCount > 0) assertNear(own.subarray(0, listCount), wanted, NMSE_MAX);
          assertEquals(own.subarray(listCount).every((value) => value === 77), true);
        }
      }
    });
  }
}

/** f16 keys in f32 sums of 64 products, and exp of scores of some tens. */
const ATTENTION_NMSE_MAX = 1e-9;

for (const [softCap, isUnpacked] of [[null, false], [20, false], [null, true]] as const) {
  const how = `cap ${softCap}${isUnpacked ? ", tiles unpacked" : ""}`;
  Deno.test(`blocks are scored by the attention they get, the window counted (${how})`, async () => {
    const heads = { kvHeadCount: 2, groupSize: 3, headSize: 64 };
    const shape = { ...caseShape(heads, { blocksPerSplit: 2, blockCountMax: 8 }), softCap };
    const attention = makeAttentionCase(shape, [300, 500, 70], "raw", { scale: 2 });
    const { q, rows, arena, directory, window } = attention;
    const rowCount = isUnpacked ? 1 : 3;
    const listCountMax = 8;
    const { listStart, listCount } = readRow(rows, 0);
    // What unpacking leaves: the tiles of the first row's list, in its order.
    const unpacked = Uint32Array.from(
      Array.from({ length: listCount }, (_, block) => {
        const { word } = readEntry(directory, listStart + block);
        return [...arena.subarray(word, word + rawTileWords(shape))];
      }).flat(),
    );
    const gpu = await testGpu();
    const kernel = await BlockAttentionKernel.create(gpu, { shape, listCountMax, isUnpacked });
    const count = 3 * shape.kvHeadCount * listCountMax;
    const scores = gpu.createBuffer("scores", count * 4);
    const bound = kernel.bind({
      q: gpu.createBufferWith("q", q),
      rows: gpu.createBufferWith("rows", rows),
      directory: gpu.createBufferWith("directory", directory),
      tiles: gpu.createBufferWith("tiles", isUnpacked ? unpacked : arena),
      window: gpu.createBufferWith("window", window),
      scores,
    });
    submitPass(gpu, (pass) => kernel.encode(pass, bound, rowCount));
    const actual = await readF32(gpu, scores, count);
    const tileWords = rawTileWords(shape);
    const width = shape.kvHeadCount * shape.headSize;
    for (const row of [0, 1, 2].slice(0, rowCount)) {
      const { slot, position, listStart, listCount } = readRow(rows, row);
      const keys: Float32Array[] = [];
      const blockOf: (number | null)[] = [];
      for (let token = 0; token <= position; token++) {
        const block = Math.floor(token / 64);
        const isSealed = block < listCount;
        const word = isSealed
          ? readEntry(directory, listStart + block).word
          : windowTile(slot, block) * tileWords;
        const tile = (isSealed ? arena : window).subarray(word, word + tileWords);
        const values = rawTileValues(shape, tile, KEY);
        keys.push(values.slice((token % 64) * width, (token % 64 + 1) * width));
        blockOf.push(isSealed ? block : null);
      }
      const query = q.subarray(row * shape.queryHeadCount * shape.headSize);
      const sizes = { keys, blockOf, blockCount: listCount };
      const expected = blockAttentionReference(shape, { query, ...sizes });
      for (let head = 0; head < shape.kvHeadCount; head++) {
        const start = (row * shape.kvHeadCount + head) * listCountMax;
        const own = actual.subarray(start, start + listCount);
        if (listCount > 0) assertNear(own, expected[head], ATTENTION_NMSE_MAX, `row ${row}`);
      }
    }
  });
}

Deno.test("as many blocks as a software driver has turns for are scored by the attention they get, to the last", async () => {
  const heads = { kvHeadCount: 1, groupSize: 1, headSize: 32 };
  const shape = caseShape(heads, { blocksPerSplit: 2, blockCountMax: 8 });
  const attention = makeAttentionCase(shape, [600], "raw", { scale: 2 });
  const { q, arena, directory, window } = attention;
  const row = readRow(attention.rows, 0);
  const gpu = await testGpu();
  const refused = (listCountMax: number) =>
    BlockAttentionKernel.create(gpu, { shape, listCountMax }).then(() => null, String);
  const listCountMax = Number(/at most (\d+)/.exec(await refused(1e6) ?? "")![1]);
  assertEquals(await refused(listCountMax), null);
  // The same few blocks again and again: each is a part of what all of them get.
  const entries = Array.from({ length: listCountMax }, (_, block) => {
    const { word, tokenCount } = readEntry(directory, row.listStart + block % row.listCount);
    return entryWords({ word, tokenCount, isFirst: false });
  });
  const kernel = await BlockAttentionKernel.create(gpu, { shape, listCountMax });
  const scores = gpu.createBuffer("scores", listCountMax * 4);
  const rows = rowWords([{ ...row, listStart: 0, listCount: listCountMax }]);
  const bound = kernel.bind({
    q: gpu.createBufferWith("q", q),
    rows: gpu.createBufferWith("rows", rows),
    directory: gpu.createBufferWith("directory", Uint32Array.from(entries.flat())),
    tiles: gpu.createBufferWith("tiles", arena),
    window: gpu.createBufferWith("window", window),
    scores,
  });
  submitPass(gpu, (pass) => kernel.encode(pass, bound, 1));
  const actual = await readF32(gpu, scores, listCountMax);
  const tileWords = rawTileWords(shape);
  const keysOf = (words: Uint32Array, word: number, count: number) => {
    const values = rawTileValues(shape, words.subarray(word, word + tileWords), KEY);
    return Array.from({ length: count }, (_, token) => values.slice(32 * token, 32 * token + 32));
  };
  const own = entries.map(([word]) => keysOf(arena, word, BLOCK_TOKEN_COUNT));
  const windowCount = Math.floor(row.position / 64) + 1 - row.firstWindowBlock;
  const seen = Array.from({ length: windowCount }, (_, index) => {
    const block = row.firstWindowBlock + index;
    const count = Math.min(BLOCK_TOKEN_COUNT, row.position + 1 - 64 * block);
    return keysOf(window, windowTile(row.slot, block) * tileWords, count);
  });
  const [expected] = blockAttentionReference(shape, {
    query: q,
    keys: [...own, ...seen].flat(),
    blockOf: [
      ...own.flatMap((keys, block) => keys.map(() => block)),
      ...seen.flat().map(() => null),
    ],
    blockCount: listCountMax,
  });
  assertNear(actual, expected, ATTENTION_NMSE_MAX);
});

/** Scores of packed keys, as a step makes them: `[row][KV head][LIST_MAX]`. */
async function scoresOfPackedKeys(attention: BandedAttentionCase): Promise<Float32Array> {
  const { shape, rows, banded: layout, tables } = attention;
  const gpu = await testGpu();
  const singles = { blocksPerSplit: 1, splitCountMax: LIST_MAX, partialWords: 2 };
  const ofBlocks = { shape, splits: singles, layout, isScoresOnly: true };
  const weigh = await AttentionDecodeBandedKernel.create(gpu, ofBlocks);
  const common = { shape, splits: shape };
  const window = await AttentionDecodeRawKernel.create(gpu, { ...common, source: "window" });
  const join = await BlockPartsKernel.create(gpu, { ...common, listCountMax: LIST_MAX });
  const own = {
    q: gpu.createBufferWith("q", attention.q),
    rows: gpu.createBufferWith("rows", rows),
  };
  const sealed = {
    arena: gpu.createBufferWith("arena", attention.arena),
    directory: gpu.createBufferWith("directory", attention.directory),
    tables: gpu.createBufferWith("tables", readerWords(tables)),
    points: gpu.createBufferWith("points", pointWords()),
  };
  const rowCount = rows.length / ROW_WORDS;
  const parts = gpu.createBuffer("parts", rowCount * shape.queryHeadCount * LIST_MAX * 8);
  const partials = gpu.createBuffer("partials", partialsWords(shape, shape, rowCount) * 4);
  const count = rowCount * shape.kvHeadCount * LIST_MAX;
  const scores = gpu.createBufferWith("scores", new Float32Array(count).fill(NaN));
  const tiles = gpu.createBufferWith("window", attention.window);
  submitPass(gpu, (pass) => {
    const boundWeigh = weigh.bind({ ...own, ...sealed, partials: parts });
    weigh.encode(pass, boundWeigh, { rowCount, splitCount: LIST_MAX });
    window.encode(pass, window.bind({ ...own, tiles, partials }), { rowCount, splitCount: 4 });
    join.encode(pass, join.bind({ rows: own.rows, parts, partials, scores }), rowCount);
  });
  return await readF32(gpu, scores, count);
}

/** The same of a row in f64, from what records and window stand for: `[KV head][block]`. */
function expectedScores(attention: BandedAttentionCase, row: number): number[][] {
  const { shape, rows, banded: layout, tables } = attention;
  const { slot, position, listStart, listCount } = readRow(rows, row);
  const width = shape.kvHeadCount * shape.headSize;
  const keys: Float32Array[] = [];
  const blockOf: (number | null)[] = [];
  const addTile = (values: Float32Array, block: number | null, tokenCount: number) => {
    for (let token = 0; token < tokenCount; token++) {
      keys.push(values.slice(token * width, (token + 1) * width));
      blockOf.push(block);
    }
  };
  for (let block = 0; block < listCount; block++) {
    const { word, isFirst } = readEntry(attention.directory, listStart + block);
    const [values] = bandedValues({ layout, tables }, attention.arena.subarray(word), isFirst);
    addTile(values, block, BLOCK_TOKEN_COUNT);
  }
  const tileWords = rawTileWords(shape);
  for (let block = listCount; block * BLOCK_TOKEN_COUNT <= position; block++) {
    const word = windowTile(slot, block) * tileWords;
    const tile = attention.window.subarray(word, word + tileWords);
    const seen = Math.min(BLOCK_TOKEN_COUNT, position + 1 - block * BLOCK_TOKEN_COUNT);
    addTile(rawTileValues(shape, tile, KEY), null, seen);
  }
  const query = attention.q.subarray(row * shape.queryHeadCount * shape.headSize);
  return blockAttentionReference(shape, { query, keys, blockOf, blockCount: listCount });
}

for (const heads of [{ kvHeadCount: 3, groupSize: 3, headSize: 64 }, HEADS[1]]) {
  Deno.test(`of packed keys blocks get the scores of f64, and a share of attention takes the same ones (groups of ${heads.groupSize})`, async () => {
    const shape = caseShape(heads, { blocksPerSplit: 2, blockCountMax: LIST_MAX });
    const form = { sinkCount: 4, tables: fittingTables(shape, 0.4) };
    // 22 blocks beside the window, one, and none.
    const lengths = [22 * 64 + 150, 200, 70];
    const attention = makeBandedAttentionCase(shape, lengths, form, { scale: 2 });
    const actual = await scoresOfPackedKeys(attention);
    for (const row of lengths.keys()) {
      for (const [head, expected] of expectedScores(attention, row).entries()) {
        if (expected.length === 0) continue;
        const start = (row * shape.kvHeadCount + head) * LIST_MAX;
        const own = actual.subarray(start, start + expected.length);
        assertNear(own, expected, ATTENTION_NMSE_MAX, `row ${row}`);
        const tokenCounts = expected.map(() => BLOCK_TOKEN_COUNT);
        for (const share of [0.5, 0.9, 0.98]) {
          const choice = { share, groupSize: heads.groupSize, tokenCounts };
          const [byKernel, wanted] = [own, expected].map((each) =>
            blockShareReference(each, choice)
          );
          assertEquals(byKernel, wanted);
        }
      }
    }
  });
}
