import { INT8 } from "../../../src/codec/int8/codec.ts";
import { BlockUnpackInt8Kernel } from "../../../src/kernels/block_unpack/int8.ts";
import { makeCodecCase } from "../../../tests/support/codec_case.ts";
import { SHAPE } from "../../support/attention_fixture.ts";
import { benchPaperUnpack, benchUnpack, SEGMENT_BLOCK_COUNT } from "../../support/baselines.ts";
import { openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const group = `block_unpack/int8, ${SEGMENT_BLOCK_COUNT} blocks of one layer`;
const target = await benchPaperUnpack(context, group);

const codec = INT8.create(SHAPE, { name: "int8" }, null);
const own = makeCodecCase(codec, SHAPE, [(SEGMENT_BLOCK_COUNT + 2) * 64]);
const kernel = await BlockUnpackInt8Kernel.create(context.gpu, { layout: codec.layout });
benchUnpack(context, { group, name: "int8 records", own, target }, {
  kernel,
  bind: (buffers) => kernel.bind(buffers),
});
