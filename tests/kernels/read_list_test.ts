/** Rows that read some of a sequence's records, and of some only their first tokens. */

import { attentionDecodeBandedReference } from "../../src/reference/attention_decode/banded.ts";
import { attentionDecodePaperReference } from "../../src/reference/attention_decode/paper.ts";
import { attentionDecodeRawReference } from "../../src/reference/attention_decode/raw.ts";
import { attentionPrefillReference } from "../../src/reference/attention_prefill.ts";
import { rawTileWords } from "../../src/codec/record.ts";
import { ENTRY_WORDS, entryWords, readEntry, rowWords } from "../../src/core/row.ts";
import { type AttentionCase, caseShape, makeAttentionCase } from "../support/attention_case.ts";
import {
  runDecodeBanded,
  runDecodePaper,
  runDecodeRaw,
  runMerge,
  runPrefill,
} from "../support/attention_runs.ts";
import { fittingTables, makeBandedAttentionCase } from "../support/banded_attention_case.ts";
import { assertNear } from "../support/numeric.ts";

const NMSE_MAX = 1e-9;
const SHAPE = caseShape({ kvHeadCount: 3, groupSize: 3, headSize: 64 }, {
  blocksPerSplit: 2,
  blockCountMax: 8,
});
/** Seven sealed blocks, and the window behind them. */
const LENGTH = 600;

const LISTS: Record<string, { block: number; tokenCount: number }[]> = {
  "the first block and others left out": [2, 3, 5].map((block) => ({ block, tokenCount: 64 })),
  "blocks in the middle left out": [0, 1, 6].map((block) => ({ block, tokenCount: 64 })),
  "tokens of records left out": [
    { block: 0, tokenCount: 21 },
    { block: 1, tokenCount: 64 },
    { block: 3, tokenCount: 1 },
    { block: 4, tokenCount: 40 },
    { block: 6, tokenCount: 63 },
  ],
};

/** The case with one row that reads a list which lies elsewhere in the directory. */
function withList<T extends AttentionCase>(attention: T, list: typeof LISTS[string]): T {
  const listStart = 3;
  const directory = new Uint32Array((listStart + list.length) * ENTRY_WORDS).fill(0xffff);
  for (const [index, { block, tokenCount }] of list.entries()) {
    const entry = { ...readEntry(attention.directory, block), tokenCount };
    directory.set(entryWords(entry), (listStart + index) * ENTRY_WORDS);
  }
  const reads = { listStart, listCount: list.length, firstWindowBlock: 7 };
  const rows = rowWords([{ slot: 0, position: LENGTH - 1, ...reads, idIndex: 0 }]);
  return { ...attention, directory, rows, blockCountLargest: list.length };
}

for (const [state, list] of Object.entries(LISTS)) {
  Deno.test(`attention to packed blocks reads its list alone (${state})`, async () => {
    const form = { packSize: 16, keyRel: 0.1, valueRel: 0.2 } as const;
    const attention = withList(makeAttentionCase(SHAPE, [LENGTH], form), list);
    const layout = attention.layout!;
    const expected = attentionDecodePaperReference(SHAPE, { ...attention, layout });
    assertNear(await runDecodePaper(attention), expected, NMSE_MAX);
  });

  Deno.test(`attention to banded blocks reads its list alone (${state})`, async () => {
    const form = { sinkCount: 4, tables: fittingTables(SHAPE, 0.4) };
    const attention = withList(makeBandedAttentionCase(SHAPE, [LENGTH], form), list);
    const layout = attention.banded;
    const expected = attentionDecodeBandedReference(SHAPE, { ...attention, layout });
    assertNear(await runDecodeBanded(attention), expected, NMSE_MAX);
  });

  Deno.test(`attention to raw blocks reads its list alone (${state})`, async () => {
    const attention = withList(makeAttentionCase(SHAPE, [LENGTH], "raw"), list);
    const { q, rows, arena, directory, window } = attention;
    const sealed = attentionDecodeRawReference(SHAPE, { q, rows, tiles: arena, directory });
    assertNear(await runDecodeRaw(attention, "arena"), sealed, NMSE_MAX);
    const recent = attentionDecodeRawReference(SHAPE, { q, rows, tiles: window });
    assertNear(await runDecodeRaw(attention, "window"), recent, NMSE_MAX);
    const inputs = { q, rows, tiles: arena, directory };
    const slice = await runPrefill(SHAPE, "arena", { inputs, splitCount: 4 });
    assertNear(slice, sealed, NMSE_MAX);
  });

  Deno.test(`attention to unpacked blocks reads its list alone (${state})`, async () => {
    const attention = withList(makeAttentionCase(SHAPE, [LENGTH], "raw"), list);
    const { q, rows, arena, directory } = attention;
    const tileWords = rawTileWords(SHAPE);
    const firstBlock = 2;
    const blockCount = list.length - firstBlock;
    const tiles = new Uint32Array(4 * tileWords);
    for (let index = 0; index < blockCount; index++) {
      const { word } = readEntry(directory, 3 + firstBlock + index);
      tiles.set(arena.subarray(word, word + tileWords), index * tileWords);
    }
    const inputs = { q, rows, tiles, directory, segment: { firstBlock, blockCount } };
    const expected = attentionPrefillReference(SHAPE, inputs);
    const actual = await runPrefill(SHAPE, "scratch", { inputs, splitCount: 2 });
    assertNear(actual, expected, NMSE_MAX);
  });
}

const PARTIAL_WORDS = SHAPE.splitCountMax * (SHAPE.headSize + 2);

/** A list for each KV head, one behind the other, and what the reference reads of each alone. */
function withListForEachHead<T extends AttentionCase>(
  attention: T,
  reference: (own: T) => Float64Array,
) {
  const lists = [[0, 2, 5], [0, 1, 6], [0, 3, 4]];
  const stride = 5;
  const directory = new Uint32Array((3 + 3 * stride) * ENTRY_WORDS).fill(0xffff);
  for (const [head, blocks] of lists.entries()) {
    for (const [index, block] of blocks.entries()) {
      const entry = readEntry(attention.directory, block);
      directory.set(entryWords(entry), (3 + head * stride + index) * ENTRY_WORDS);
    }
  }
  const rowsAt = (listStart: number, listStride: number) => {
    const reads = { listStart, listStride, listCount: 3, firstWindowBlock: 7 };
    return rowWords([{ slot: 0, position: LENGTH - 1, ...reads, idIndex: 0 }]);
  };
  const expected = new Float64Array(SHAPE.queryHeadCount * PARTIAL_WORDS);
  const groupWords = PARTIAL_WORDS * SHAPE.queryHeadCount / SHAPE.kvHeadCount;
  for (const head of lists.keys()) {
    const own = reference({ ...attention, directory, rows: rowsAt(3 + head * stride, 0) });
    const start = head * groupWords;
    expected.set(own.subarray(start, start + groupWords), start);
  }
  const given = { ...attention, directory, rows: rowsAt(3, stride), blockCountLargest: 3 };
  return { given, expected };
}

Deno.test("attention to packed blocks reads a list of its own for each KV head", async () => {
  const form = { packSize: 16, keyRel: 0.1, valueRel: 0.2 } as const;
  const { given, expected } = withListForEachHead(
    makeAttentionCase(SHAPE, [LENGTH], form),
    (own) => attentionDecodePaperReference(SHAPE, { ...own, layout: own.layout! }),
  );
  assertNear(await runDecodePaper(given), expected, NMSE_MAX);
});

Deno.test("attention to banded blocks reads a list of its own for each KV head", async () => {
  const form = { sinkCount: 4, tables: fittingTables(SHAPE, 0.4) };
  const { given, expected } = withListForEachHead(
    makeBandedAttentionCase(SHAPE, [LENGTH], form),
    (own) => attentionDecodeBandedReference(SHAPE, { ...own, layout: own.banded }),
  );
  assertNear(await runDecodeBanded(given), expected, NMSE_MAX);
});

Deno.test("attention to raw blocks reads a list of its own for each KV head", async () => {
  const { given, expected } = withListForEachHead(
    makeAttentionCase(SHAPE, [LENGTH], "raw"),
    ({ q, rows, arena, directory }) =>
      attentionDecodeRawReference(SHAPE, { q, rows, tiles: arena, directory }),
  );
  assertNear(await runDecodeRaw(given, "arena"), expected, NMSE_MAX);
});

Deno.test("what is merged of a read list and the window is attention over both", async () => {
  const [list] = Object.values(LISTS);
  const attention = withList(makeAttentionCase(SHAPE, [LENGTH], "raw"), list);
  const { q, rows, arena, directory, window } = attention;
  const merged = await Promise.all([SHAPE, { ...SHAPE, blocksPerSplit: 8 }].map((shape) => {
    const sealed = attentionDecodeRawReference(shape, { q, rows, tiles: arena, directory });
    const recent = attentionDecodeRawReference(shape, { q, rows, tiles: window });
    const partials = Float32Array.from(sealed, (value, i) => value + recent[i]);
    return runMerge(shape, { rows, partials });
  }));
  assertNear(merged[0], merged[1], NMSE_MAX);
});
