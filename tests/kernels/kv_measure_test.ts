import { assertEquals } from "@std/assert";
import { KvMeasureKernel } from "../../src/kernels/kv_measure.ts";
import { kvMeasureReference } from "../../src/reference/kv_measure.ts";
import {
  caseInput,
  caseName,
  caseScratch,
  KERNEL_CASES,
  LAYER_COUNT,
} from "../codec/kernel_case.ts";
import { readU32, submitPass, testGpu } from "../support/gpu.ts";

for (const kernelCase of KERNEL_CASES) {
  for (const repack of ["none", "median"] as const) {
    Deno.test(`KvMeasureKernel equals its reference at ${caseName(kernelCase)}, ${repack}`, async () => {
      const gpu = await testGpu();
      const input = caseInput(kernelCase);
      const layerCount = LAYER_COUNT;
      const scratch = caseScratch(kernelCase, input, repack);
      const expected = kvMeasureReference(input.layout, scratch, { ...input, layerCount });
      const kernel = await KvMeasureKernel.create(gpu, { ...input, layerCount });
      const sizes = gpu.createBuffer("sizes", expected.byteLength);
      const bound = kernel.bind({
        jobs: gpu.createBufferWith("jobs", input.jobWords),
        codes: gpu.createBufferWith("codes", scratch.codes),
        order: gpu.createBufferWith("order", scratch.order),
        sizes,
      });
      submitPass(gpu, (pass) => kernel.record(pass, bound, input.jobs.length));
      assertEquals(await readU32(gpu, sizes, expected.length), expected);
    });
  }
}
