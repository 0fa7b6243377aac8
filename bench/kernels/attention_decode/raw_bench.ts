import { Kernel } from "../../../src/gpu/kernel.ts";
import { ROW_TEXT } from "../../../src/kernels/text/row.ts";
import { AttentionDecodeRawKernel } from "../../../src/kernels/attention_decode/raw.ts";
import {
  attentionFixture,
  BLOCK_COUNT,
  ROW_MACS,
  SHAPE,
  SPLIT_COUNT,
} from "../../support/attention_fixture.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";
import plain from "../plain/attention_decode_raw.wgsl" with { type: "text" };

const context = await openBenchGpu();
const { gpu } = context;
const group = `attention_decode/raw, one row over ${BLOCK_COUNT * 64} sealed tokens`;
const { q, rows, arena, directory, partials, arenaBytes } = attentionFixture(gpu, "raw");
const work = { bytes: arenaBytes, macs: ROW_MACS };

const plainKernel = await Kernel.create(gpu, {
  label: "plain attention_decode/raw",
  code: plain + ROW_TEXT,
  constants: {
    D: SHAPE.headSize,
    KV_HEAD_COUNT: SHAPE.kvHeadCount,
    GROUP_SIZE: SHAPE.queryHeadCount / SHAPE.kvHeadCount,
    BLOCKS_PER_SPLIT: SHAPE.blocksPerSplit,
    SPLIT_COUNT_MAX: SHAPE.splitCountMax,
  },
});
const plainBound = plainKernel.bind({ q, rows, tiles: arena, partials, directory });
benchKernel("plain", { group, baseline: true, repeats: 2, work }, context, (pass) => {
  plainKernel.dispatch(pass, plainBound, SHAPE.queryHeadCount, SPLIT_COUNT);
});

const kernel = await AttentionDecodeRawKernel.create(gpu, {
  shape: SHAPE,
  splits: SHAPE,
  source: "arena",
});
const bound = kernel.bind({ q, rows, tiles: arena, directory, partials });
for (const rowCount of [1, 4]) {
  const rowWork = { bytes: rowCount * arenaBytes, macs: rowCount * ROW_MACS };
  benchKernel(`grouped, ${rowCount} rows`, { group, work: rowWork }, context, (pass) => {
    kernel.encode(pass, bound, { rowCount, splitCount: SPLIT_COUNT });
  });
}
