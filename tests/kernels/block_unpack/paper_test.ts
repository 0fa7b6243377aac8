import { ENTRY_WORDS, ROW_WORDS } from "../../../src/core/row.ts";
import { assert } from "@std/assert";
import { rawTileWords } from "../../../src/codec/record.ts";
import { BlockUnpackPaperKernel, createSegments } from "../../../src/kernels/block_unpack/paper.ts";
import { blockUnpackPaperReference } from "../../../src/reference/block_unpack/paper.ts";
import {
  assertSameBits,
  caseShape,
  makeAttentionCase,
  type SealedForm,
} from "../../support/attention_case.ts";
import { readU32, submitPass, testGpu } from "../../support/gpu.ts";

const CASES: { kvHeadCount: number; headSize: number; form: SealedForm }[] = [
  { kvHeadCount: 3, headSize: 64, form: { packSize: 16, keyRel: 0.1, valueRel: 0.2 } },
  { kvHeadCount: 1, headSize: 32, form: { packSize: 8, keyRel: 0.02, valueRel: 0.5 } },
  { kvHeadCount: 2, headSize: 96, form: { packSize: 32, keyRel: 1 / 254, valueRel: 0.05 } },
  { kvHeadCount: 2, headSize: 64, form: { packSize: 4, keyRel: 0.02, valueRel: 0.2 } },
  { kvHeadCount: 1, headSize: 256, form: { packSize: 32, keyRel: 0.1, valueRel: 0.01 } },
];

for (const { kvHeadCount, headSize, form } of CASES) {
  const name = `${kvHeadCount} heads of ${headSize}, ${JSON.stringify(form)}`;
  Deno.test(`BlockUnpackPaperKernel equals its reference bit for bit (${name})`, async () => {
    const gpu = await testGpu();
    const heads = { kvHeadCount, groupSize: 1, headSize };
    const shape = caseShape(heads, { blocksPerSplit: 2, blockCountMax: 8 });
    // Slot 1 has 7 sealed blocks: segments of 4 blocks and of 3.
    const packed = makeAttentionCase(shape, [300, 580], form);
    const { layout, blockCountMax, arena } = packed;
    assert(layout !== null, "the case is packed");
    const kernel = await BlockUnpackPaperKernel.create(gpu, { layout });
    const segments = createSegments(gpu, { segmentCount: 2, blocksPerSegment: 4 });
    for (const [index, segment] of segments.entries()) {
      const tiles = gpu.createBuffer("tiles", 4 * rawTileWords(shape) * 4);
      const bound = kernel.bind({
        rows: gpu.createBufferWith("rows", packed.rows.slice(ROW_WORDS)),
        arena: gpu.createBufferWith("arena", arena),
        directory: gpu.createBufferWith("directory", packed.directory),
        segment,
        tiles,
      });
      submitPass(gpu, (pass) => kernel.encode(pass, bound, 4));
      const blockCount = index === 0 ? 4 : 3;
      const expected = blockUnpackPaperReference({
        layout,
        arena,
        directory: packed.directory.subarray(blockCountMax * ENTRY_WORDS),
        firstBlock: index * 4,
        blockCount,
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
