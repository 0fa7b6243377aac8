import { observedWords } from "../../src/kernels/attention_scores/raw.ts";
import { ChannelScoresKernel } from "../../src/kernels/channel_scores/raw.ts";
import { attentionFixture, BLOCK_COUNT, SHAPE } from "../support/attention_fixture.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const { q, rows, arena: tiles, directory } = attentionFixture(gpu, "raw");
const options = { shape: SHAPE, splits: SHAPE, source: "arena", slotCount: 1 } as const;
const kernel = await ChannelScoresKernel.create(gpu, options);
const observed = gpu.createBuffer("observed", 16, {
  usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
});
const channelCount = SHAPE.kvHeadCount * SHAPE.headSize;
const channels = gpu.createBuffer("channels", 2 * channelCount * 4);
const bound = kernel.bind({ q, rows, tiles, directory, observed, channels });
gpu.write(observed, 0, observedWords({ firstRow: 0, rowCount: 1, isFirst: true, lastStart: 0 }));
const macs = BLOCK_COUNT * 64 * channelCount;
const group = `channel_scores, keys of ${BLOCK_COUNT * 64} tokens`;
benchKernel(
  "eight channels a workgroup",
  { group, baseline: true, work: { bytes: 2 * macs, macs } },
  context,
  (pass) => kernel.encode(pass, bound),
);
