import { readEntry, readRow, rowInSight, rowWords } from "../../src/core/row.ts";
import { assert, assertEquals } from "@std/assert";
import { rawTileWords } from "../../src/codec/record.ts";
import { querySize, sealedSplitCount } from "../../src/kernels/text/attention.ts";
import { attentionPrefillReference } from "../../src/reference/attention_prefill.ts";
import {
  type CaseShape,
  caseShape,
  makeAttentionCase,
  REACH,
  rowOf,
} from "../support/attention_case.ts";
import { attentionMergeReference } from "../../src/reference/attention_merge.ts";
import { runPrefill } from "../support/attention_runs.ts";
import { makeRingCase } from "../support/ring_case.ts";
import { testGpu } from "../support/gpu.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";

/** f32 dot products of up to 256 terms, then exp of scores of a few units: about 1e-6 per value. */
const NMSE_MAX = 1e-10;

const DEFAULT_HEADS = { kvHeadCount: 3, groupSize: 3, headSize: 64 };

const CASES = [
  { heads: DEFAULT_HEADS, rowCount: 1, end: 1, why: "a single token" },
  { heads: DEFAULT_HEADS, rowCount: 64, end: 64, why: "a first full slice" },
  { heads: DEFAULT_HEADS, rowCount: 22, end: 150, why: "several tiles, nothing sealed" },
  { heads: DEFAULT_HEADS, rowCount: 64, end: 640, why: "a full slice behind sealed blocks" },
  { heads: DEFAULT_HEADS, rowCount: 5, end: 389, why: "a ring that has come round" },
  {
    heads: { kvHeadCount: 1, groupSize: 1, headSize: 32 },
    rowCount: 63,
    end: 255,
    why: "queries of many rows in a tile",
  },
  {
    heads: { kvHeadCount: 2, groupSize: 5, headSize: 96 },
    rowCount: 7,
    end: 455,
    why: "rows that end within a tile of queries",
  },
  {
    heads: { kvHeadCount: 1, groupSize: 16, headSize: 256 },
    rowCount: 3,
    end: 323,
    why: "groups larger than a tile of queries",
  },
  {
    heads: { kvHeadCount: 1, groupSize: 8, headSize: 512 },
    rowCount: 3,
    end: 323,
    why: "heads of 512",
  },
  {
    heads: { kvHeadCount: 1, groupSize: 5, headSize: 64, hasLatents: true },
    rowCount: 3,
    end: 323,
    why: "latents of two halves of 64",
  },
  {
    heads: { kvHeadCount: 1, groupSize: 20, headSize: 288, hasLatents: true },
    rowCount: 2,
    end: 260,
    why: "latents of 576, as DeepSeek's, and more heads than single rows take",
  },
];

/** A slice that ends at token `end` of slot 1, with the tiles that a source holds. */
function makeSlice(shape: CaseShape, options: { rowCount: number; end: number }) {
  const { rowCount, end } = options;
  const attention = makeAttentionCase(shape, [200, end], "raw");
  const { listCount: blockCount } = readRow(attention.rows, 1);
  const rows = rowWords(Array.from({ length: rowCount }, (_, row) => {
    const position = end - rowCount + row;
    return rowOf({ slot: 1, position, blockCount }, attention.blockCountMax);
  }));
  const q = seededNormals(rowCount * shape.queryHeadCount * querySize(shape), 9);
  return { attention, blockCount, rows, q };
}

/** Tokens that are not there yet hold what an earlier sequence may have left: NaN. */
function withGarbage(tiles: Uint32Array): Uint32Array {
  const halves = new Uint16Array(tiles.buffer);
  for (let i = 0; i < halves.length; i++) if (halves[i] === 0) halves[i] = 0x7e00;
  return tiles;
}

for (const { heads, why, ...slice } of CASES) {
  Deno.test(`AttentionPrefillKernel matches its reference on the window (${why})`, async () => {
    const shape = caseShape(heads, { blocksPerSplit: 2, blockCountMax: 10 });
    const { attention, rows, q } = makeSlice(shape, slice);
    const inputs = { q, rows, tiles: withGarbage(attention.window) };
    const expected = attentionPrefillReference(shape, inputs);
    assertNear(await runPrefill(shape, "window", { inputs, splitCount: 4 }), expected, NMSE_MAX);
  });
}

for (const { heads, why, ...slice } of CASES.filter(({ end }) => end > 200)) {
  Deno.test(`AttentionPrefillKernel matches its reference on the arena (${why})`, async () => {
    const shape = caseShape(heads, { blocksPerSplit: 2, blockCountMax: 10 });
    const { attention, rows, q, blockCount } = makeSlice(shape, slice);
    const { arena: tiles, directory } = attention;
    const inputs = { q, rows, tiles, directory };
    const expected = attentionPrefillReference(shape, inputs);
    const splitCount = sealedSplitCount(blockCount, shape);
    assertNear(await runPrefill(shape, "arena", { inputs, splitCount }), expected, NMSE_MAX);
  });
}

Deno.test("AttentionPrefillKernel matches its reference on a segment in scratch", async () => {
  const shape = caseShape(DEFAULT_HEADS, { blocksPerSplit: 2, blockCountMax: 10 });
  const { attention, rows, q, blockCount } = makeSlice(shape, { rowCount: 20, end: 596 });
  assert(blockCount === 7, "the case has a segment of 4 blocks and one of 3");
  const tileWords = rawTileWords(shape);
  const tiles = new Uint32Array(4 * tileWords);
  for (let block = 4; block < blockCount; block++) {
    const { word } = readEntry(attention.directory, attention.blockCountMax + block);
    tiles.set(attention.arena.subarray(word, word + tileWords), (block - 4) * tileWords);
  }
  const segment = { firstBlock: 4, blockCount: 3 };
  const inputs = { q, rows, tiles, directory: attention.directory, segment };
  const expected = attentionPrefillReference(shape, inputs);
  assertNear(await runPrefill(shape, "scratch", { inputs, splitCount: 2 }), expected, NMSE_MAX);
});

for (const reach of [32, 500]) {
  Deno.test(`AttentionPrefillKernel sees the newest ${reach} tokens of each row`, async () => {
    const options = { reach, lengths: [200, 700], rowCount: 50 };
    const { shape, ...inputs } = makeRingCase(DEFAULT_HEADS, options);
    const expected = attentionPrefillReference(shape, inputs);
    const run = { inputs, splitCount: shape.splitCountMax };
    const partials = await runPrefill(shape, "window", run);
    const { rows } = inputs;
    // Of a tile that is out of reach partial results are left, which count for nothing.
    assertNear(
      attentionMergeReference(shape, { rows, partials }),
      attentionMergeReference(shape, { rows, partials: expected }),
      NMSE_MAX,
    );
  });
}

Deno.test("AttentionPrefillKernel caps scores", async () => {
  const shape = {
    ...caseShape(DEFAULT_HEADS, { blocksPerSplit: 2, blockCountMax: 10 }),
    softCap: 1,
  };
  const { attention, rows, q } = makeSlice(shape, { rowCount: 5, end: 389 });
  const inputs = { q, rows, tiles: attention.window };
  const expected = attentionPrefillReference(shape, inputs);
  assertNear(await runPrefill(shape, "window", { inputs, splitCount: 4 }), expected, NMSE_MAX);
});

const { facts } = await testGpu();

/** What a GPU without subgroups says: its workgroups have 32 queries. */
const GPU_FACTS = { ...facts, isFallback: false, subgroupLanes: 0 };

/** Heads of 96, 128 and 256 are in the matrix of lanes_test.ts. */
const MANY_CASES = [
  { heads: DEFAULT_HEADS, rowCount: 22, end: 150, why: "rows that end within a tile" },
  {
    heads: { kvHeadCount: 1, groupSize: 1, headSize: 32 },
    rowCount: 63,
    end: 255,
    why: "heads of 32, half of whose lanes are idle",
  },
  {
    heads: { kvHeadCount: 2, groupSize: 8, headSize: 512 },
    rowCount: 5,
    end: 325,
    why: "heads of 512, and tiles of several rows",
  },
];

for (const { heads, why, ...slice } of MANY_CASES) {
  Deno.test(`AttentionPrefillKernel of 32 queries matches its reference on the window (${why})`, async () => {
    const shape = caseShape(heads, { blocksPerSplit: 2, blockCountMax: 10 });
    const { attention, rows, q } = makeSlice(shape, slice);
    const inputs = { q, rows, tiles: withGarbage(attention.window) };
    const expected = attentionPrefillReference(shape, inputs);
    const run = { inputs, splitCount: 4, facts: GPU_FACTS };
    assertNear(await runPrefill(shape, "window", run), expected, NMSE_MAX);
  });
}

Deno.test("AttentionPrefillKernel of 32 queries sees the newest 100 tokens of each row, with capped scores", async () => {
  const options = { reach: 100, lengths: [200, 700], rowCount: 50 };
  const { shape: plain, ...inputs } = makeRingCase(DEFAULT_HEADS, options);
  const shape = { ...plain, softCap: 1 };
  const expected = attentionPrefillReference(shape, inputs);
  const run = { inputs, splitCount: shape.splitCountMax, facts: GPU_FACTS };
  const partials = await runPrefill(shape, "window", run);
  const { rows } = inputs;
  assertNear(
    attentionMergeReference(shape, { rows, partials }),
    attentionMergeReference(shape, { rows, partials: expected }),
    NMSE_MAX,
  );
});

Deno.test("AttentionPrefillKernel gives a row the same bits alone and beside others", async () => {
  const shape = caseShape(DEFAULT_HEADS, { blocksPerSplit: 2, blockCountMax: 10 });
  const { attention, rows, q } = makeSlice(shape, { rowCount: 22, end: 150 });
  const tiles = attention.window;
  const widthOf = (values: { length: number }) => values.length / 22;
  for (const ownFacts of [GPU_FACTS, facts]) {
    const run = { splitCount: 4, facts: ownFacts };
    const all = await runPrefill(shape, "window", { ...run, inputs: { q, rows, tiles } });
    const row = 9;
    const own = <T extends Float32Array | Uint32Array>(values: T) =>
      values.subarray(row * widthOf(values), (row + 1) * widthOf(values)) as T;
    const inputs = { q: own(q), rows: own(rows), tiles };
    const alone = await runPrefill(shape, "window", { ...run, inputs });
    assertEquals(alone, own(all));
  }
});

for (
  const [source, ownFacts] of [["arena", facts], ["scratch", facts], [
    "scratch",
    GPU_FACTS,
  ]] as const
) {
  const count = ownFacts === facts ? "" : " of 32 queries";
  Deno.test(`AttentionPrefillKernel${count} sees the newest tokens of each row on ${source} tiles`, async () => {
    const shape = caseShape(DEFAULT_HEADS, { blocksPerSplit: 2, blockCountMax: 10 });
    const { attention, blockCount, q } = makeSlice(shape, { rowCount: 45, end: 346 });
    assert(blockCount === 3, "the list begins with the first block, whose tile has sinks last");
    const { arena, directory, blockCountMax } = attention;
    const rows = rowWords(Array.from({ length: 45 }, (_, row) =>
      rowInSight(
        rowOf({ slot: 1, position: 301 + row, blockCount }, blockCountMax),
        { reach: REACH, isSealed: true },
      )));
    const tileWords = rawTileWords(shape);
    const scratch = new Uint32Array(blockCount * tileWords);
    for (let block = 0; block < blockCount; block++) {
      const { word } = readEntry(directory, blockCountMax + block);
      scratch.set(arena.subarray(word, word + tileWords), block * tileWords);
    }
    const inScratch = { segment: { firstBlock: 0, blockCount }, sinkCount: 4 };
    const inputs = source === "arena"
      ? { q, rows, directory, tiles: arena }
      : { q, rows, directory, tiles: scratch, ...inScratch };
    const expected = attentionPrefillReference(shape, inputs);
    const run = { inputs, splitCount: 2, facts: ownFacts };
    assertNear(await runPrefill(shape, source, run), expected, NMSE_MAX);
  });
}
