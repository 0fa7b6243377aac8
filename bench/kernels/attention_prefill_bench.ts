import { AttentionDecodeRawKernel } from "../../src/kernels/attention_decode/raw.ts";
import { AttentionPrefillKernel } from "../../src/kernels/attention_prefill/raw.ts";
import {
  attentionFixture,
  BLOCK_COUNT,
  ROW_COUNT_MAX,
  ROW_MACS,
  SHAPE,
  SPLIT_COUNT,
} from "../support/attention_fixture.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const { q, rows, slice, arena, directory, partials, arenaBytes } = attentionFixture(
  gpu,
  "raw",
);
const rowCount = ROW_COUNT_MAX;
const group = `attention_prefill, ${rowCount} rows over ${BLOCK_COUNT * 64} sealed tokens`;
const work = { bytes: arenaBytes, macs: rowCount * ROW_MACS };
const options = {
  shape: SHAPE,
  splits: SHAPE,
  source: "arena",
} as const;

const single = await AttentionDecodeRawKernel.create(gpu, options);
const singleBound = single.bind({ q, rows, tiles: arena, directory, partials });
benchKernel("each row for itself", { group, baseline: true, repeats: 1, work }, context, (pass) => {
  single.encode(pass, singleBound, { rowCount, splitCount: SPLIT_COUNT });
});

const kernel = await AttentionPrefillKernel.create(gpu, options);
const bound = kernel.bind({ q, rows, slice, tiles: arena, directory, partials });
benchKernel("tiles of queries", { group, repeats: 1, work }, context, (pass) => {
  kernel.encode(pass, bound, { rowCount, splitCount: SPLIT_COUNT });
});
