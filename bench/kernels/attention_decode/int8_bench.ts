import { INT8 } from "../../../src/codec/int8/codec.ts";
import { AttentionDecodeInt8Kernel } from "../../../src/kernels/attention_decode/int8.ts";
import { makeCodecCase } from "../../../tests/support/codec_case.ts";
import { BLOCK_COUNT, ROW_MACS, SHAPE } from "../../support/attention_fixture.ts";
import { benchRawDecode, ONE_ROW, OVER_TOKENS } from "../../support/baselines.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const group = `attention_decode/int8, ${OVER_TOKENS}`;
const raw = await benchRawDecode(context, group);

const codec = INT8.create(SHAPE, { name: "int8" }, null);
const { arena, directory } = makeCodecCase(codec, SHAPE, [(BLOCK_COUNT + 2) * 64]);
const options = { shape: SHAPE, splits: SHAPE, layout: codec.layout };
const kernel = await AttentionDecodeInt8Kernel.create(gpu, options);
const bound = kernel.bind({
  ...raw,
  arena: gpu.createBufferWith("arena", arena),
  directory: gpu.createBufferWith("directory", directory),
});
const work = { bytes: arena.byteLength, macs: ROW_MACS };
benchKernel("int8 records", { group, work }, context, (pass) => {
  kernel.encode(pass, bound, ONE_ROW);
});
