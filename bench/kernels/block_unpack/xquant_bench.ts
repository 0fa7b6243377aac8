import { XQUANT } from "../../../src/codec/xquant/codec.ts";
import { rawTileWords } from "../../../src/codec/record.ts";
import { BlockUnpackXquantKernel } from "../../../src/kernels/block_unpack/xquant.ts";
import { BlockUnpackPaperKernel, createSegments } from "../../../src/kernels/block_unpack/paper.ts";
import { codeStartBuffer } from "../../../src/kernels/text/xquant.ts";
import { makeCodecCase } from "../../../tests/support/codec_case.ts";
import { attentionFixture, PAPER, SHAPE } from "../../support/attention_fixture.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
/** Blocks of a segment. */
const blockCount = 16;
const tileBytes = blockCount * rawTileWords(SHAPE) * 4;
const tiles = gpu.createBuffer("tiles", tileBytes);
const [segment] = createSegments(gpu, { segmentCount: 1, blocksPerSegment: blockCount });
const group = `block_unpack/xquant, ${blockCount} blocks of one layer`;

const fixture = attentionFixture(gpu, PAPER);
const { blockCountMax, layout: paperLayout } = fixture.attention;
const paper = await BlockUnpackPaperKernel.create(gpu, { layout: paperLayout! });
const paperBound = paper.bind({ ...fixture, segment, tiles });
const paperWork = { bytes: fixture.arenaBytes / blockCountMax * blockCount + tileBytes };
benchKernel("paper records", { group, baseline: true, work: paperWork }, context, (pass) => {
  paper.encode(pass, paperBound, blockCount);
});

const codec = XQUANT.create(SHAPE, { name: "xquant" }, null);
const own = makeCodecCase(codec, SHAPE, [(blockCount + 2) * 64], { layer: 1 });
const kernel = await BlockUnpackXquantKernel.create(gpu, { layout: codec.layout });
const bound = kernel.bind({
  rows: gpu.createBufferWith("rows", own.rows),
  arena: gpu.createBufferWith("arena", own.arena),
  directory: gpu.createBufferWith("directory", own.directory),
  segment,
  tiles,
  codeStart: codeStartBuffer(gpu, codec.layout, false),
});
const work = { bytes: own.arena.byteLength + tileBytes };
benchKernel("XQuant records, codes of the layer before", { group, work }, context, (pass) => {
  kernel.encode(pass, bound, blockCount);
});
