import { assert } from "@std/assert";
import { XQUANT } from "../../../src/codec/xquant/codec.ts";
import { ENTRY_WORDS, ROW_WORDS } from "../../../src/core/row.ts";
import { rawTileWords } from "../../../src/codec/record.ts";
import { BlockUnpackXquantKernel } from "../../../src/kernels/block_unpack/xquant.ts";
import { createSegments } from "../../../src/kernels/block_unpack/paper.ts";
import { codeStartBuffer } from "../../../src/kernels/text/xquant.ts";
import { blockUnpackXquantReference } from "../../../src/reference/block_unpack/xquant.ts";
import { assertSameBits, caseShape } from "../../support/attention_case.ts";
import { makeCodecCase } from "../../support/codec_case.ts";
import { readU32, submitPass, testGpu } from "../../support/gpu.ts";

const CASES = [
  { heads: { kvHeadCount: 3, groupSize: 1, headSize: 64 }, bits: "2", layers: [0, 1] },
  { heads: { kvHeadCount: 1, groupSize: 1, headSize: 32 }, bits: "1", layers: [1] },
  { heads: { kvHeadCount: 2, groupSize: 1, headSize: 256 }, bits: "2-1", layers: [1] },
] as const;

for (
  const { heads, bits, layer } of CASES.flatMap(({ layers, ...own }) =>
    layers.map((layer) => ({ ...own, layer }))
  )
) {
  const hasCodes = layer === 0;
  const whose = hasCodes ? "its own codes" : "the codes of the record before";
  Deno.test(`BlockUnpackXquantKernel equals its reference bit for bit with ${whose} (${JSON.stringify(heads)}, ${bits} bits)`, async () => {
    const gpu = await testGpu();
    const shape = caseShape(heads, { blocksPerSplit: 2, blockCountMax: 8 });
    const codec = XQUANT.create(shape, { name: "xquant", bits }, null);
    // Slot 1 has 7 sealed blocks: segments of 4 blocks and of 3.
    const { arena, rows, directory, blockCountMax } = makeCodecCase(codec, shape, [300, 580], {
      layer,
    });
    const { layout } = codec;
    const kernel = await BlockUnpackXquantKernel.create(gpu, { layout });
    const segments = createSegments(gpu, { segmentCount: 2, blocksPerSegment: 4 });
    for (const [index, segment] of segments.entries()) {
      const tiles = gpu.createBuffer("tiles", 4 * rawTileWords(shape) * 4);
      const bound = kernel.bind({
        rows: gpu.createBufferWith("rows", rows.slice(ROW_WORDS)),
        arena: gpu.createBufferWith("arena", arena),
        directory: gpu.createBufferWith("directory", directory),
        segment,
        tiles,
        codeStart: codeStartBuffer(gpu, layout, hasCodes),
      });
      submitPass(gpu, (pass) => kernel.encode(pass, bound, 4));
      const expected = blockUnpackXquantReference({
        layout,
        hasCodes,
        arena,
        directory: directory.subarray(blockCountMax * ENTRY_WORDS),
        firstBlock: index * 4,
        blockCount: index === 0 ? 4 : 3,
      });
      const actual = await readU32(gpu, tiles, 4 * rawTileWords(shape));
      assertSameBits(actual.subarray(0, expected.length), expected);
      assert(
        actual.slice(expected.length).every((word) => word === 0),
        "only sealed blocks written",
      );
    }
  });
}
