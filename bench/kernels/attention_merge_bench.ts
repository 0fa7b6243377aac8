import { Kernel } from "../../src/gpu/kernel.ts";
import { ROW_TEXT } from "../../src/kernels/text/row.ts";
import { WINDOW_TILE_COUNT } from "../../src/core/shapes.ts";
import { AttentionMergeKernel } from "../../src/kernels/attention_merge/head.ts";
import { attentionFixture, BLOCK_COUNT, SHAPE, SPLIT_COUNT } from "../support/attention_fixture.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";
import plain from "./plain/attention_merge.wgsl" with { type: "text" };

const context = await openBenchGpu();
const { gpu } = context;
const { rows, partials, out } = attentionFixture(gpu, "raw");
const kernel = await AttentionMergeKernel.create(gpu, { shape: SHAPE, splits: SHAPE });
const bound = kernel.bind({ rows, partials, out });
const plainKernel = await Kernel.create(gpu, {
  label: "plain attention_merge",
  code: plain + ROW_TEXT,
  constants: {
    D: SHAPE.headSize,
    BLOCKS_PER_SPLIT: SHAPE.blocksPerSplit,
    SPLIT_COUNT_MAX: SHAPE.splitCountMax,
  },
});
const plainBound = plainKernel.bind({ rows, partials, out });

for (const rowCount of [1, 64]) {
  const group = `attention_merge, ${rowCount} rows at ${BLOCK_COUNT * 64} tokens`;
  const splitCount = SPLIT_COUNT + WINDOW_TILE_COUNT / 2;
  const values = rowCount * SHAPE.queryHeadCount * SHAPE.headSize;
  const work = { bytes: values * (splitCount + 1) * 4, macs: values * splitCount };
  benchKernel("plain", { group, baseline: true, work }, context, (pass) => {
    plainKernel.dispatch(pass, plainBound, SHAPE.queryHeadCount, rowCount);
  });
  benchKernel("pairs of channels", { group, work }, context, (pass) => {
    kernel.encode(pass, bound, rowCount);
  });
}
