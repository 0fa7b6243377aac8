import { BlockAttentionKernel } from "../../src/kernels/block_scores/attention.ts";
import { BlockPartsKernel } from "../../src/kernels/block_scores/parts.ts";
import { BlockScoresKernel } from "../../src/kernels/block_scores/summary.ts";
import { attentionFixture, BLOCK_COUNT, SHAPE } from "../support/attention_fixture.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const { attention, q, rows, directory, arena: tiles } = attentionFixture(gpu, "raw");
const listCountMax = attention.blockCountMax;
const width = SHAPE.kvHeadCount * SHAPE.headSize;
const summaries = gpu.createBuffer("summaries", listCountMax * width * 4);
const scores = gpu.createBuffer("scores", 64 * SHAPE.kvHeadCount * listCountMax * 4);

for (const kind of ["range", "clusters"] as const) {
  const kernel = await BlockScoresKernel.create(gpu, { shape: SHAPE, kind, listCountMax });
  const bound = kernel.bind({ q, rows, summaries, scores });
  for (const rowCount of [1, 8]) {
    const group = `block_scores, ${rowCount} rows and ${BLOCK_COUNT} blocks`;
    const macs = 2 * rowCount * BLOCK_COUNT * SHAPE.queryHeadCount * SHAPE.headSize;
    const work = { bytes: BLOCK_COUNT * width * 4, macs };
    benchKernel(kind, { group, baseline: kind === "range", work }, context, (pass) => {
      kernel.encode(pass, bound, { rowCount, listCount: BLOCK_COUNT });
    });
  }
}

const exact = await BlockAttentionKernel.create(gpu, { shape: SHAPE, listCountMax });
const window = gpu.createBufferWith("window", attention.window);
const boundExact = exact.bind({ q, rows, directory, tiles, window, scores });
const group = `block_scores, 1 row and ${BLOCK_COUNT} blocks`;
const keyCount = BLOCK_COUNT * 64 * width;
const work = { bytes: 2 * keyCount * 2, macs: 2 * keyCount * 3 };
benchKernel("by attention", { group, work }, context, (pass) => {
  exact.encode(pass, boundExact, 1);
});

const splits = { blocksPerSplit: SHAPE.blocksPerSplit, splitCountMax: BLOCK_COUNT };
const joined = await BlockPartsKernel.create(gpu, { shape: SHAPE, splits, listCountMax });
const parts = gpu.createBuffer("parts", 64 * SHAPE.queryHeadCount * listCountMax * 8);
const partialBytes = 64 * SHAPE.queryHeadCount * BLOCK_COUNT * (SHAPE.headSize + 2) * 4;
const partials = gpu.createBuffer("partials", partialBytes);
const boundJoined = joined.bind({ rows, parts, partials, scores });
const partBytes = 2 * SHAPE.queryHeadCount * BLOCK_COUNT * 8;
benchKernel("by parts", { group, work: { bytes: partBytes, macs: 0 } }, context, (pass) => {
  joined.encode(pass, boundJoined, 1);
});
