import { Kernel } from "../../../src/gpu/kernel.ts";
import { ROW_TEXT } from "../../../src/kernels/text/row.ts";
import { rawTileWords } from "../../../src/codec/record.ts";
import { BlockUnpackPaperKernel, createSegments } from "../../../src/kernels/block_unpack/paper.ts";
import { attentionFixture, PAPER, SHAPE } from "../../support/attention_fixture.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";
import plain from "../plain/block_unpack_paper.wgsl" with { type: "text" };

const context = await openBenchGpu();
const { gpu } = context;
/** Blocks of a segment. */
const blockCount = 16;
const tileWords = rawTileWords(SHAPE);
const tiles = gpu.createBuffer("tiles", blockCount * tileWords * 4);
const [segment] = createSegments(gpu, { segmentCount: 1, blocksPerSegment: blockCount });
const group = `block_unpack, ${blockCount} blocks of one layer`;

for (const packSize of [16, 8, 32] as const) {
  const fixture = attentionFixture(gpu, { ...PAPER, packSize });
  const { rows, arena, directory, attention } = fixture;
  const layout = attention.layout!;
  const { blockCountMax } = attention;
  const recordBytes = fixture.arenaBytes / blockCountMax * blockCount;
  const work = { bytes: recordBytes + blockCount * tileWords * 4 };
  const kernel = await BlockUnpackPaperKernel.create(gpu, { layout });
  const bound = kernel.bind({ rows, arena, directory, segment, tiles });
  benchKernel(`packs of ${packSize}`, { group, work }, context, (pass) => {
    kernel.encode(pass, bound, blockCount);
  });
  if (packSize !== PAPER.packSize) continue;
  const plainKernel = await Kernel.create(gpu, {
    label: "plain block_unpack",
    code: plain + ROW_TEXT,
    constants: {
      D: SHAPE.headSize,
      KV_HEAD_COUNT: SHAPE.kvHeadCount,
      PACK_SIZE: packSize,
      KEY_BITS: layout.keyBits,
      VALUE_BITS: layout.valueBits,
    },
  });
  const plainBound = plainKernel.bind({ rows, arena, directory, tiles });
  const options = { group, baseline: true, repeats: 1, work };
  benchKernel("plain, packs of 16", options, context, (pass) => {
    plainKernel.dispatch(pass, plainBound, tileWords / 64, blockCount);
  });
}
