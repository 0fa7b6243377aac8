import { assertEquals } from "@std/assert";
import { KvMeasurePaperKernel } from "../../../src/kernels/kv_measure/paper.ts";
import { kvMeasurePaperReference } from "../../../src/reference/kv_measure/paper.ts";
import {
  caseInput,
  caseName,
  caseScratch,
  KERNEL_CASES,
  STORE_COUNT,
} from "../../codec/kernel_case.ts";
import { readU32, submitPass, testGpu } from "../../support/gpu.ts";

for (const kernelCase of KERNEL_CASES) {
  for (const repack of ["none", "median"] as const) {
    Deno.test(`KvMeasurePaperKernel equals its reference at ${caseName(kernelCase)}, ${repack}`, async () => {
      const gpu = await testGpu();
      const input = caseInput(kernelCase);
      const storeCount = STORE_COUNT;
      const scratch = caseScratch(kernelCase, input, repack);
      const expected = kvMeasurePaperReference(input.layout, scratch, { ...input, storeCount });
      const kernel = await KvMeasurePaperKernel.create(gpu, { ...input, storeCount });
      const sizes = gpu.createBuffer("sizes", expected.byteLength);
      const bound = kernel.bind({
        jobs: gpu.createBufferWith("jobs", input.jobWords),
        codes: gpu.createBufferWith("codes", scratch.codes),
        order: gpu.createBufferWith("order", scratch.order),
        sizes,
      });
      submitPass(gpu, (pass) => kernel.encode(pass, bound, input.jobs.length));
      assertEquals(await readU32(gpu, sizes, expected.length), expected);
    });
  }
}
