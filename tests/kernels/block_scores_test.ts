import { assertEquals } from "@std/assert";
import { f16FromNumber, f16ToNumber } from "../../src/codec/f16.ts";
import { rawTileValues } from "../../src/codec/raw_tile.ts";
import { KEY, rawTileWords } from "../../src/codec/record.ts";
import { readEntry, readRow, rowWords } from "../../src/core/row.ts";
import { windowTile } from "../../src/core/shapes.ts";
import { BlockAttentionKernel } from "../../src/kernels/block_scores/attention.ts";
import { BlockScoresKernel } from "../../src/kernels/block_scores/summary.ts";
import { blockAttentionReference, blockScoresReference } from "../../src/reference/block_scores.ts";
import { caseShape, makeAttentionCase, rowOf } from "../support/attention_case.ts";
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
    submitPass(gpu, (pass) => kernel.encode(pass, bound, { rowCount }));
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
