import { XQUANT } from "../../../src/codec/xquant/codec.ts";
import { BlockUnpackXquantKernel } from "../../../src/kernels/block_unpack/xquant.ts";
import { codeStartBuffer } from "../../../src/kernels/text/xquant.ts";
import { blockUnpackXquantReference } from "../../../src/reference/block_unpack/xquant.ts";
import { caseShape } from "../../support/attention_case.ts";
import { makeCodecCase } from "../../support/codec_case.ts";
import { testGpu } from "../../support/gpu.ts";
import { assertUnpacks, UNPACK_LENGTHS } from "../../support/unpack_runs.ts";

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
    const packed = makeCodecCase(codec, shape, UNPACK_LENGTHS, { layer });
    const { layout } = codec;
    const kernel = await BlockUnpackXquantKernel.create(gpu, { layout });
    const codeStart = codeStartBuffer(gpu, layout, hasCodes);
    await assertUnpacks(packed, {
      encode: (pass, buffers) => kernel.encode(pass, kernel.bind({ ...buffers, codeStart }), 4),
      reference: (segment) => blockUnpackXquantReference({ layout, hasCodes, ...segment }),
    });
  });
}
