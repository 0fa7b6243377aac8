import { XQUANT } from "../../../src/codec/xquant/codec.ts";
import { BlockUnpackXquantKernel } from "../../../src/kernels/block_unpack/xquant.ts";
import { codeStartBuffer } from "../../../src/kernels/text/xquant.ts";
import { makeCodecCase } from "../../../tests/support/codec_case.ts";
import { SHAPE } from "../../support/attention_fixture.ts";
import { benchPaperUnpack, benchUnpack, SEGMENT_BLOCK_COUNT } from "../../support/baselines.ts";
import { openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const group = `block_unpack/xquant, ${SEGMENT_BLOCK_COUNT} blocks of one layer`;
const target = await benchPaperUnpack(context, group);

const codec = XQUANT.create(SHAPE, { name: "xquant" }, null);
const own = makeCodecCase(codec, SHAPE, [(SEGMENT_BLOCK_COUNT + 2) * 64], { layer: 1 });
const kernel = await BlockUnpackXquantKernel.create(gpu, { layout: codec.layout });
benchUnpack(context, { group, name: "XQuant records, codes of the layer before", own, target }, {
  kernel,
  bind: (buffers) =>
    kernel.bind({ ...buffers, codeStart: codeStartBuffer(gpu, codec.layout, false) }),
});
