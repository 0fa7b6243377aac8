import { INT8 } from "../../../src/codec/int8/codec.ts";
import { BlockUnpackInt8Kernel } from "../../../src/kernels/block_unpack/int8.ts";
import { blockUnpackInt8Reference } from "../../../src/reference/block_unpack/int8.ts";
import { caseShape } from "../../support/attention_case.ts";
import { makeCodecCase } from "../../support/codec_case.ts";
import { testGpu } from "../../support/gpu.ts";
import { assertUnpacks, UNPACK_LENGTHS } from "../../support/unpack_runs.ts";

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
    const packed = makeCodecCase(codec, shape, UNPACK_LENGTHS);
    const { layout } = codec;
    const kernel = await BlockUnpackInt8Kernel.create(gpu, { layout });
    await assertUnpacks(packed, {
      encode: (pass, buffers) => kernel.encode(pass, kernel.bind(buffers), 4),
      reference: (segment) => blockUnpackInt8Reference({ layout, ...segment }),
    });
  });
}
