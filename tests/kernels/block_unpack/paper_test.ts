import { assert } from "@std/assert";
import { BlockUnpackPaperKernel } from "../../../src/kernels/block_unpack/paper.ts";
import { blockUnpackPaperReference } from "../../../src/reference/block_unpack/paper.ts";
import { caseShape, makeAttentionCase, type SealedForm } from "../../support/attention_case.ts";
import { testGpu } from "../../support/gpu.ts";
import { assertUnpacks, UNPACK_LENGTHS } from "../../support/unpack_runs.ts";

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
    const packed = makeAttentionCase(shape, UNPACK_LENGTHS, form);
    const { layout } = packed;
    assert(layout !== null, "the case is packed");
    const kernel = await BlockUnpackPaperKernel.create(gpu, { layout });
    await assertUnpacks(packed, {
      encode: (pass, buffers) => kernel.encode(pass, kernel.bind(buffers), 4),
      reference: (segment) => blockUnpackPaperReference({ layout, ...segment }),
    });
  });
}
