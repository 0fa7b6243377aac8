import { pointWords } from "../../../src/codec/banded/points.ts";
import { layerTableWords } from "../../../src/codec/banded/tables.ts";
import { KvMeasureBandedKernel } from "../../../src/kernels/kv_measure/banded.ts";
import { kvMeasureBandedReference } from "../../../src/reference/kv_measure/banded.ts";
import { assertSameBits } from "../../support/attention_case.ts";
import {
  BANDED_CASES,
  bandedInput,
  bandedScratch,
  caseName,
  packedCounts,
  STORE_COUNT,
} from "../../support/banded_case.ts";
import { readU32, submitPass, testGpu } from "../../support/gpu.ts";

const CASES = [
  ...BANDED_CASES.map((bandedCase) => ({ bandedCase, hasDropped: false })),
  { bandedCase: BANDED_CASES[0], hasDropped: true },
];

for (const { bandedCase, hasDropped } of CASES) {
  const what = `${caseName(bandedCase)}${hasDropped ? ", some channels dropped" : ""}`;
  Deno.test(`KvMeasureBandedKernel equals its reference at ${what}`, async () => {
    const gpu = await testGpu();
    const input = bandedInput(bandedCase);
    const { layout, jobs } = input;
    const scratch = bandedScratch(input, hasDropped);
    const expected = kvMeasureBandedReference(layout, scratch, input);
    const kernel = await KvMeasureBandedKernel.create(gpu, { layout, storeCount: STORE_COUNT });
    const sizes = gpu.createBuffer("sizes", expected.byteLength);
    const bound = kernel.bind({
      packedCounts: gpu.createBufferWith("packed counts", packedCounts(jobs)),
      codes: gpu.createBufferWith("codes", scratch.codes),
      bands: gpu.createBufferWith("bands", layerTableWords(input.tables)),
      points: gpu.createBufferWith("points", pointWords()),
      sizes,
    });
    submitPass(gpu, (pass) => kernel.encode(pass, bound, jobs.length));
    assertSameBits(await readU32(gpu, sizes, expected.length), expected);
  });
}
