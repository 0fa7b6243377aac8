import { DELTAKV } from "../../../src/codec/deltakv/codec.ts";
import { BlockUnpackDeltaKvKernel } from "../../../src/kernels/block_unpack/deltakv.ts";
import { makeCodecCase } from "../../../tests/support/codec_case.ts";
import { describedTile, sampleTurns } from "../../../tests/support/described_tiles.ts";
import { SHAPE } from "../../support/attention_fixture.ts";
import { benchPaperUnpack, benchUnpack, SEGMENT_BLOCK_COUNT } from "../../support/baselines.ts";
import { openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const group = `block_unpack/deltakv, ${SEGMENT_BLOCK_COUNT} blocks of one layer`;
const target = await benchPaperUnpack(context, group);

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
benchUnpack(context, { group, name: "DeltaKV records, all described", own, target }, {
  kernel,
  bind: (buffers) =>
    kernel.bind({ ...buffers, turns: gpu.createBufferWith("turns", codec.turnWordsOf(0)) }),
});
