import { XQUANT } from "../../../src/codec/xquant/codec.ts";
import { AttentionDecodeXquantKernel } from "../../../src/kernels/attention_decode/xquant.ts";
import { codeStartBuffer } from "../../../src/kernels/text/xquant.ts";
import { makeCodecCase } from "../../../tests/support/codec_case.ts";
import { BLOCK_COUNT, ROW_MACS, SHAPE } from "../../support/attention_fixture.ts";
import { benchRawDecode, ONE_ROW, OVER_TOKENS } from "../../support/baselines.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const group = `attention_decode/xquant, ${OVER_TOKENS}`;
const raw = await benchRawDecode(context, group);

const codec = XQUANT.create(SHAPE, { name: "xquant" }, null);
const { arena, directory } = makeCodecCase(codec, SHAPE, [(BLOCK_COUNT + 2) * 64], { layer: 1 });
const options = { shape: SHAPE, splits: SHAPE, layout: codec.layout };
const kernel = await AttentionDecodeXquantKernel.create(gpu, options);
const bound = kernel.bind({
  ...raw,
  arena: gpu.createBufferWith("arena", arena),
  directory: gpu.createBufferWith("directory", directory),
  codeStart: codeStartBuffer(gpu, codec.layout, false),
});
const work = { bytes: arena.byteLength, macs: ROW_MACS };
benchKernel("XQuant records, codes of the layer before", { group, work }, context, (pass) => {
  kernel.encode(pass, bound, ONE_ROW);
});
