import { AttentionScoresKernel, observedWords } from "../../src/kernels/attention_scores/raw.ts";
import { attentionFixture, BLOCK_COUNT, SHAPE } from "../support/attention_fixture.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const { q, rows, arena: tiles, directory, partials } = attentionFixture(gpu, "raw");
const tokenCountMax = (BLOCK_COUNT + 2) * 64;
const kernel = await AttentionScoresKernel.create(gpu, {
  shape: SHAPE,
  splits: SHAPE,
  source: "arena",
  tokenCountMax,
  sinkCount: 0,
  hasSinks: false,
});
const observed = gpu.createBuffer("observed", 16, {
  usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
});
const scores = gpu.createBuffer("scores", tokenCountMax * 4);
const bound = kernel.bind({ q, rows, tiles, directory, partials, observed, scores });

const rowCount = 32;
gpu.write(observed, 0, observedWords({ firstRow: 0, rowCount, isFirst: true, lastStart: 0 }));
const macs = rowCount * BLOCK_COUNT * 64 * SHAPE.queryHeadCount * SHAPE.headSize;
const bytes = BLOCK_COUNT * 64 * SHAPE.kvHeadCount * SHAPE.headSize * 2;
const options = {
  group: `attention_scores, ${rowCount} rows at ${BLOCK_COUNT * 64} tokens`,
  baseline: true,
  work: { bytes, macs },
};
benchKernel("a thread for each token", options, context, (pass) => {
  kernel.encode(pass, bound, BLOCK_COUNT);
});
