import { Kernel } from "../../../src/gpu/kernel.ts";
import { ROW_TEXT } from "../../../src/kernels/text/row.ts";
import { AttentionDecodePaperKernel } from "../../../src/kernels/attention_decode/paper.ts";
import {
  attentionFixture,
  PAPER,
  ROW_MACS,
  SHAPE,
  SPLIT_COUNT,
} from "../../support/attention_fixture.ts";
import { benchRawDecode, ONE_ROW, OVER_TOKENS } from "../../support/baselines.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";
import plain from "../plain/attention_decode_paper.wgsl" with { type: "text" };

const context = await openBenchGpu();
const { gpu } = context;
const group = `attention_decode/paper, ${OVER_TOKENS}`;
await benchRawDecode(context, group);

for (const packSize of [4, 8, 16, 32] as const) {
  const fixture = attentionFixture(gpu, { ...PAPER, packSize });
  const { q, rows, arena, directory, partials, arenaBytes, attention } = fixture;
  const layout = attention.layout!;
  const options = { shape: SHAPE, splits: SHAPE, layout };
  const kernel = await AttentionDecodePaperKernel.create(gpu, options);
  const bound = kernel.bind({ q, rows, arena, directory, partials });
  const work = { bytes: arenaBytes, macs: ROW_MACS };
  benchKernel(`packs of ${packSize}`, { group, work }, context, (pass) => {
    kernel.encode(pass, bound, ONE_ROW);
  });
  if (packSize !== PAPER.packSize) continue;
  const plainKernel = await Kernel.create(gpu, {
    label: "plain attention_decode/paper",
    code: plain + ROW_TEXT,
    constants: {
      D: SHAPE.headSize,
      KV_HEAD_COUNT: SHAPE.kvHeadCount,
      GROUP_SIZE: SHAPE.queryHeadCount / SHAPE.kvHeadCount,
      BLOCKS_PER_SPLIT: SHAPE.blocksPerSplit,
      SPLIT_COUNT_MAX: SHAPE.splitCountMax,
      PACK_SIZE: packSize,
      KEY_BITS: layout.keyBits,
      VALUE_BITS: layout.valueBits,
    },
  });
  const plainBound = plainKernel.bind({ q, rows, arena, partials, directory });
  benchKernel("plain, packs of 16", { group, repeats: 1, work }, context, (pass) => {
    plainKernel.dispatch(pass, plainBound, SHAPE.queryHeadCount, SPLIT_COUNT);
  });
}
