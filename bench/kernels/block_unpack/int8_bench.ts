import { INT8 } from "../../../src/codec/int8/codec.ts";
import { BlockUnpackInt8Kernel } from "../../../src/kernels/block_unpack/int8.ts";
import { makeCodecCase } from "../../../tests/support/codec_case.ts";
import { SHAPE } from "../../support/attention_fixture.ts";
import { benchPaperUnpack, SEGMENT_BLOCK_COUNT } from "../../support/baselines.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const group = `block_unpack/int8, ${SEGMENT_BLOCK_COUNT} blocks of one layer`;
const { segment, tiles, tileBytes } = await benchPaperUnpack(context, group);

const codec = INT8.create(SHAPE, { name: "int8" }, null);
const own = makeCodecCase(codec, SHAPE, [(SEGMENT_BLOCK_COUNT + 2) * 64]);
const kernel = await BlockUnpackInt8Kernel.create(gpu, { layout: codec.layout });
const bound = kernel.bind({
  rows: gpu.createBufferWith("rows", own.rows),
  arena: gpu.createBufferWith("arena", own.arena),
  directory: gpu.createBufferWith("directory", own.directory),
  segment,
  tiles,
});
const work = { bytes: own.arena.byteLength + tileBytes };
benchKernel("int8 records", { group, work }, context, (pass) => {
  kernel.encode(pass, bound, SEGMENT_BLOCK_COUNT);
});
