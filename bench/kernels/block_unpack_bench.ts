import { rawTileWords } from "../../src/codec/layout.ts";
import { BlockUnpackKernel, createSegments } from "../../src/kernels/block_unpack.ts";
import { attentionFixture, BLOCK_COUNT, PAPER, SHAPE } from "../support/attention_fixture.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const tilesBytes = BLOCK_COUNT * rawTileWords(SHAPE) * 4;
const tiles = gpu.createBuffer("tiles", tilesBytes);
const [segment] = createSegments(gpu, { segmentCount: 1, blocksPerSegment: BLOCK_COUNT });
const group = `block_unpack, ${BLOCK_COUNT} blocks of one layer`;

for (const packSize of [8, 16, 32] as const) {
  const fixture = attentionFixture(gpu, { ...PAPER, packSize });
  const { rows, arena, directory, arenaBytes, attention } = fixture;
  const kernel = await BlockUnpackKernel.create(gpu, {
    layout: attention.layout!,
    blockCountMax: attention.blockCountMax,
  });
  const bound = kernel.bind({ rows, arena, directory, segment, tiles });
  const work = { bytes: arenaBytes + tilesBytes };
  const baseline = packSize === PAPER.packSize;
  benchKernel(`packs of ${packSize}`, { group, baseline, repeats: 2, work }, context, (pass) => {
    kernel.record(pass, bound, BLOCK_COUNT);
  });
}
