import { DELTAKV } from "../../../src/codec/deltakv/codec.ts";
import { BlockUnpackDeltaKvKernel } from "../../../src/kernels/block_unpack/deltakv.ts";
import { makeCodecCase } from "../../../tests/support/codec_case.ts";
import { describedTile, sampleTurns } from "../../../tests/support/described_tiles.ts";
import { SHAPE } from "../../support/attention_fixture.ts";
import { benchPaperUnpack, SEGMENT_BLOCK_COUNT } from "../../support/baselines.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const group = `block_unpack/deltakv, ${SEGMENT_BLOCK_COUNT} blocks of one layer`;
const { segment, tiles, tileBytes } = await benchPaperUnpack(context, group);

const turns = sampleTurns(SHAPE.headSize);
const codec = DELTAKV.create(SHAPE, { name: "deltakv" }, null, [turns]);
let seed = 0;
const described = {
  ...codec,
  pack: () => codec.pack(describedTile(SHAPE, { seed: seed++, turns }), { layer: 0 }),
  unpack: codec.unpack.bind(codec),
};
const own = makeCodecCase(described, SHAPE, [(SEGMENT_BLOCK_COUNT + 2) * 64]);
const kernel = await BlockUnpackDeltaKvKernel.create(gpu, { layout: codec.layout });
const bound = kernel.bind({
  rows: gpu.createBufferWith("rows", own.rows),
  arena: gpu.createBufferWith("arena", own.arena),
  directory: gpu.createBufferWith("directory", own.directory),
  segment,
  tiles,
  turns: gpu.createBufferWith("turns", codec.turnWordsOf(0)),
});
const work = { bytes: own.arena.byteLength + tileBytes };
benchKernel("DeltaKV records, all described", { group, work }, context, (pass) => {
  kernel.encode(pass, bound, SEGMENT_BLOCK_COUNT);
});
