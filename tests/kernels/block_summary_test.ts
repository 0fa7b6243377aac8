import { assertEquals } from "@std/assert";
import { f16ToNumber } from "../../src/codec/f16.ts";
import { ENTRY_WORDS, readEntry, readRow, rowWords } from "../../src/core/row.ts";
import { BlockSummaryClustersKernel } from "../../src/kernels/block_summary/clusters.ts";
import { BlockSummaryRangeKernel } from "../../src/kernels/block_summary/range.ts";
import {
  clustersSummaryReference,
  rangeSummaryReference,
} from "../../src/reference/block_summary.ts";
import { rawTileWords } from "../../src/codec/record.ts";
import { caseShape, makeAttentionCase } from "../support/attention_case.ts";
import { readU32, submitPass, testGpu } from "../support/gpu.ts";
import { assertNear } from "../support/numeric.ts";

/** Means of f16 keys, kept as f16. */
const NMSE_MAX = 1e-6;

const KINDS = {
  range: { kernel: BlockSummaryRangeKernel, reference: rangeSummaryReference },
  clusters: { kernel: BlockSummaryClustersKernel, reference: clustersSummaryReference },
} as const;

const HEADS = [
  { kvHeadCount: 3, groupSize: 1, headSize: 64 },
  { kvHeadCount: 8, groupSize: 1, headSize: 96 }, // more channels than one workgroup has threads
];

for (const [kind, { kernel: kind_, reference }] of Object.entries(KINDS)) {
  for (const heads of HEADS) {
    for (const source of ["arena", "scratch"] as const) {
      const what = `${kind} of ${heads.kvHeadCount} heads of ${heads.headSize} in ${source}`;
      Deno.test(`a block is summarised as its reference says (${what})`, async () => {
        const shape = caseShape(heads, { blocksPerSplit: 2, blockCountMax: 8 });
        const attention = makeAttentionCase(shape, [80, 500], "raw");
        const { arena, directory, blockCountMax } = attention;
        const row = { ...readRow(attention.rows, 1), listStart: blockCountMax + 1, listCount: 3 };
        directory[ENTRY_WORDS * (row.listStart + 1) + 1] = 1; // a record of one token
        directory[ENTRY_WORDS * (row.listStart + 2) + 1] = 40;
        const tileWords = rawTileWords(shape);
        const entries = [0, 1, 2].map((at) => readEntry(directory, row.listStart + at));
        const tiles = entries.map(({ word }) => arena.subarray(word, word + tileWords));
        const scratch = new Uint32Array(3 * tileWords);
        tiles.forEach((tile, at) => scratch.set(tile, at * tileWords));
        const gpu = await testGpu();
        const kernel = await kind_.create(gpu, { shape, source });
        const width = shape.kvHeadCount * shape.headSize;
        const wordCount = 2 * blockCountMax * width;
        const summaries = gpu.createBuffer("summaries", wordCount * 4);
        const bound = kernel.bind({
          rows: gpu.createBufferWith("rows", rowWords([row])),
          directory: gpu.createBufferWith("directory", directory),
          tiles: gpu.createBufferWith("tiles", source === "arena" ? arena : scratch),
          summaries,
        });
        submitPass(gpu, (pass) => kernel.encode(pass, bound, 3));
        const words = await readU32(gpu, summaries, wordCount);
        for (const [at, { tokenCount }] of entries.entries()) {
          const start = (row.listStart + at) * width;
          const own = words.subarray(start, start + width);
          const pairs = Array.from(own).flatMap((word) =>
            [word & 0xffff, word >>> 16].map(f16ToNumber)
          );
          assertNear(pairs, reference(shape, tiles[at], tokenCount), NMSE_MAX, `block ${at}`);
        }
        assertEquals(words.subarray(0, row.listStart * width).some((word) => word !== 0), false);
      });
    }
  }
}
