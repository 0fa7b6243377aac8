import { AttentionDecodePackedKernel } from "../../src/kernels/attention_decode_packed.ts";
import { AttentionDecodeRawKernel } from "../../src/kernels/attention_decode_raw.ts";
import { partialsWords, sealedSplitCount } from "../../src/kernels/text/attention.ts";
import { caseShape, makeAttentionCase } from "../../tests/support/attention_case.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const shape = caseShape({ kvHeadCount: 3, groupSize: 3, headSize: 64 }, {
  blocksPerSplit: 4,
  blockCountMax: 66,
});
const blockCount = 64;
const length = (blockCount + 2) * 64;
const grid = { rowCount: 1, splitCount: sealedSplitCount(blockCount, shape) };
const macs = 2 * blockCount * 64 * shape.queryHeadCount * shape.headSize;
const partials = gpu.createBuffer("partials", partialsWords(shape, shape, 1) * 4);
const group = `attention over ${blockCount * 64} sealed tokens, 9 heads of 64 on 3`;

const raw = makeAttentionCase(shape, [length], "raw");
const rawKernel = await AttentionDecodeRawKernel.create(gpu, {
  shape,
  splits: shape,
  source: "arena",
  blockCountMax: raw.blockCountMax,
});
const rawBound = rawKernel.bind({
  q: gpu.createBufferWith("q", raw.q),
  rows: gpu.createBufferWith("rows", raw.rows),
  tiles: gpu.createBufferWith("tiles", raw.arena),
  directory: gpu.createBufferWith("directory", raw.directory),
  partials,
});
const rawOptions = { group, baseline: true, work: { bytes: raw.arena.byteLength, macs } };
benchKernel("raw f16 blocks", rawOptions, context, (pass) => {
  rawKernel.record(pass, rawBound, grid);
});

for (const packSize of [8, 16, 32] as const) {
  const form = { packSize, keyRel: 0.1, valueRel: 0.2 };
  const packed = makeAttentionCase(shape, [length], form);
  const kernel = await AttentionDecodePackedKernel.create(gpu, {
    shape,
    splits: shape,
    layout: packed.layout!,
    blockCountMax: packed.blockCountMax,
  });
  const bound = kernel.bind({
    q: gpu.createBufferWith("q", packed.q),
    rows: gpu.createBufferWith("rows", packed.rows),
    arena: gpu.createBufferWith("arena", packed.arena),
    directory: gpu.createBufferWith("directory", packed.directory),
    partials,
  });
  const work = { bytes: packed.arena.byteLength, macs };
  benchKernel(`packed, packs of ${packSize}`, { group, work }, context, (pass) => {
    kernel.record(pass, bound, grid);
  });
}
