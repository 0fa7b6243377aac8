import { assert } from "@std/assert";
import { INT8 } from "../../../src/codec/int8/codec.ts";
import { ENTRY_WORDS, ROW_WORDS } from "../../../src/core/row.ts";
import { rawTileWords } from "../../../src/codec/record.ts";
import { BlockUnpackInt8Kernel } from "../../../src/kernels/block_unpack/int8.ts";
import { createSegments } from "../../../src/kernels/block_unpack/paper.ts";
import { blockUnpackInt8Reference } from "../../../src/reference/block_unpack/int8.ts";
import { assertSameBits, caseShape } from "../../support/attention_case.ts";
import { makeCodecCase } from "../../support/codec_case.ts";
import { readU32, submitPass, testGpu } from "../../support/gpu.ts";

const CASES = [
  { kvHeadCount: 3, groupSize: 1, headSize: 64 },
  { kvHeadCount: 1, groupSize: 1, headSize: 32 },
  { kvHeadCount: 2, groupSize: 1, headSize: 256 },
];

for (const heads of CASES) {
  Deno.test(`BlockUnpackInt8Kernel equals its reference bit for bit (${JSON.stringify(heads)})`, async () => {
    const gpu = await testGpu();
    const shape = caseShape(heads, { blocksPerSplit: 2, blockCountMax: 8 });
    const codec = INT8.create(shape, { name: "int8" }, null);
    // Slot 1 has 7 sealed blocks: segments of 4 blocks and of 3.
    const { arena, rows, directory, blockCountMax } = makeCodecCase(codec, shape, [300, 580]);
    const { layout } = codec;
    const kernel = await BlockUnpackInt8Kernel.create(gpu, { layout });
    const segments = createSegments(gpu, { segmentCount: 2, blocksPerSegment: 4 });
    for (const [index, segment] of segments.entries()) {
      const tiles = gpu.createBuffer("tiles", 4 * rawTileWords(shape) * 4);
      const bound = kernel.bind({
        rows: gpu.createBufferWith("rows", rows.slice(ROW_WORDS)),
        arena: gpu.createBufferWith("arena", arena),
        directory: gpu.createBufferWith("directory", directory),
        segment,
        tiles,
      });
      submitPass(gpu, (pass) => kernel.encode(pass, bound, 4));
      const expected = blockUnpackInt8Reference({
        layout,
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
