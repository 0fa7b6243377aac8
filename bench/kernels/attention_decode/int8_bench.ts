import { INT8 } from "../../../src/codec/int8/codec.ts";
import { AttentionDecodeInt8Kernel } from "../../../src/kernels/attention_decode/int8.ts";
import { AttentionDecodeRawKernel } from "../../../src/kernels/attention_decode/raw.ts";
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
const group = `attention_decode/int8, one row over ${BLOCK_COUNT * 64} sealed tokens`;
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

const codec = INT8.create(SHAPE, { name: "int8" }, null);
const { arena, directory } = makeCodecCase(codec, SHAPE, [(BLOCK_COUNT + 2) * 64]);
const kernel = await AttentionDecodeInt8Kernel.create(gpu, { ...options, layout: codec.layout });
const bound = kernel.bind({
  ...raw,
  arena: gpu.createBufferWith("arena", arena),
  directory: gpu.createBufferWith("directory", directory),
});
const work = { bytes: arena.byteLength, macs: ROW_MACS };
benchKernel("int8 records", { group, work }, context, (pass) => {
  kernel.encode(pass, bound, grid);
});
