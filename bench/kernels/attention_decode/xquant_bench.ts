import { XQUANT } from "../../../src/codec/xquant/codec.ts";
import { AttentionDecodeXquantKernel } from "../../../src/kernels/attention_decode/xquant.ts";
import { AttentionDecodeRawKernel } from "../../../src/kernels/attention_decode/raw.ts";
import { codeStartBuffer } from "../../../src/kernels/text/xquant.ts";
import { makeCodecCase } from "../../../tests/support/codec_case.ts";
import {
  attentionFixture,
  BLOCK_COUNT,
  ROW_MACS,
  SHAPE,
  SPLIT_COUNT,
} from "../../support/attention_fixture.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const group = `attention_decode/xquant, one row over ${BLOCK_COUNT * 64} sealed tokens`;
const grid = { rowCount: 1, splitCount: SPLIT_COUNT };

const raw = attentionFixture(gpu, "raw");
const options = { shape: SHAPE, splits: SHAPE };
const rawKernel = await AttentionDecodeRawKernel.create(gpu, { ...options, source: "arena" });
const { arena: tiles, ...rest } = raw;
const rawBound = rawKernel.bind({ ...rest, tiles });
const rawWork = { bytes: raw.arenaBytes, macs: ROW_MACS };
benchKernel("raw f16 blocks", { group, baseline: true, work: rawWork }, context, (pass) => {
  rawKernel.encode(pass, rawBound, grid);
});

const codec = XQUANT.create(SHAPE, { name: "xquant" }, null);
const { arena, directory } = makeCodecCase(codec, SHAPE, [(BLOCK_COUNT + 2) * 64], { layer: 1 });
const kernel = await AttentionDecodeXquantKernel.create(gpu, { ...options, layout: codec.layout });
const bound = kernel.bind({
  ...raw,
  arena: gpu.createBufferWith("arena", arena),
  directory: gpu.createBufferWith("directory", directory),
  codeStart: codeStartBuffer(gpu, codec.layout, false),
});
const work = { bytes: arena.byteLength, macs: ROW_MACS };
benchKernel("XQuant records, codes of the layer before", { group, work }, context, (pass) => {
  kernel.encode(pass, bound, grid);
});
