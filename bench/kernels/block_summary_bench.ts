import { BlockSummaryClustersKernel } from "../../src/kernels/block_summary/clusters.ts";
import { BlockSummaryRangeKernel } from "../../src/kernels/block_summary/range.ts";
import { attentionFixture, BLOCK_COUNT, SHAPE } from "../support/attention_fixture.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const { attention, rows, arena: tiles, directory } = attentionFixture(gpu, "raw");
const width = SHAPE.kvHeadCount * SHAPE.headSize;
const summaries = gpu.createBuffer("summaries", attention.blockCountMax * width * 4);
const options = { shape: SHAPE, source: "arena" } as const;
const range = await BlockSummaryRangeKernel.create(gpu, options);
const clusters = await BlockSummaryClustersKernel.create(gpu, options);
const boundRange = range.bind({ rows, directory, tiles, summaries });
const boundClusters = clusters.bind({ rows, directory, tiles, summaries });

const group = `block_summary, ${BLOCK_COUNT} blocks`;
const keyCount = BLOCK_COUNT * 64 * width;
const work = { bytes: keyCount * 2, macs: keyCount };
benchKernel("range", { group, baseline: true, work }, context, (pass) => {
  range.encode(pass, boundRange, BLOCK_COUNT);
});
benchKernel("clusters", { group, work }, context, (pass) => {
  clusters.encode(pass, boundClusters, BLOCK_COUNT);
});
