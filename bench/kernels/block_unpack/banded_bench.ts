import { pointWords } from "../../../src/codec/banded/points.ts";
import { rowOf } from "../../../tests/support/attention_case.ts";
import { entryWords, rowWords } from "../../../src/core/row.ts";
import { rawTileWords } from "../../../src/codec/record.ts";
import { BlockUnpackPaperKernel, createSegments } from "../../../src/kernels/block_unpack/paper.ts";
import { BlockUnpackBandedKernel } from "../../../src/kernels/block_unpack/banded.ts";
import { LAYOUT, openBandedWorkload } from "../../codec/banded_workload.ts";
import { STORE_COUNT } from "../../codec/workload.ts";
import { attentionFixture, PAPER, SHAPE } from "../../support/attention_fixture.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
/** Blocks of a segment. */
const blockCount = 16;
const tileBytes = blockCount * rawTileWords(SHAPE) * 4;
const tiles = gpu.createBuffer("tiles", tileBytes);
const [segment] = createSegments(gpu, { segmentCount: 1, blocksPerSegment: blockCount });
const group = `block_unpack/banded, ${blockCount} blocks of one layer`;

const fixture = attentionFixture(gpu, { ...PAPER, packSize: 8 });
const { attention } = fixture;
const { blockCountMax } = attention;
const widths = await BlockUnpackPaperKernel.create(gpu, {
  layout: attention.layout!,
});
const widthsBound = widths.bind({ ...fixture, segment, tiles });
const widthsWork = { bytes: fixture.arenaBytes / blockCountMax * blockCount + tileBytes };
benchKernel("packs of 8", { group, baseline: true, work: widthsWork }, context, (pass) => {
  widths.encode(pass, widthsBound, blockCount);
});

// The layers of a block stand for blocks of a layer; those before were not first blocks either.
const { arena, targets, packedBytes, layers } = openBandedWorkload(gpu);
const lists = Uint32Array.from(
  Array.from(targets).flatMap((word) => entryWords({ word, tokenCount: 64, isFirst: false })),
);
const bands = await BlockUnpackBandedKernel.create(gpu, {
  layout: LAYOUT,
});
const bandsBound = bands.bind({
  rows: gpu.createBufferWith(
    "rows",
    rowWords([rowOf({ slot: 0, position: 0, blockCount: STORE_COUNT }, 0)]),
  ),
  arena,
  directory: gpu.createBufferWith("directory", lists),
  segment,
  tables: layers[0].reader,
  points: gpu.createBufferWith("points", pointWords()),
  tiles,
});
const work = { bytes: packedBytes / STORE_COUNT * blockCount + tileBytes };
benchKernel("bands", { group, work }, context, (pass) => {
  bands.encode(pass, bandsBound, blockCount);
});
