import { assert, assertEquals } from "@std/assert";
import { KvRepackMedianKernel } from "../../../src/kernels/kv_repack/median.ts";
import {
  caseInput,
  caseName,
  caseScratch,
  KERNEL_CASES,
  STORE_COUNT,
} from "../../codec/kernel_case.ts";
import { readU32, submitPass, testGpu } from "../../support/gpu.ts";

for (const kernelCase of KERNEL_CASES) {
  Deno.test(`KvRepackMedianKernel equals its reference at ${caseName(kernelCase)}`, async () => {
    const gpu = await testGpu();
    const input = caseInput(kernelCase);
    const { codes, order } = caseScratch(kernelCase, input, "median");
    assert(order.some((token, place) => token !== place % 64), "some order is not the identity");
    const kernel = await KvRepackMedianKernel.create(gpu, { ...input, storeCount: STORE_COUNT });
    const orderBuffer = gpu.createBuffer("order", order.byteLength);
    const bound = kernel.bind({
      jobs: gpu.createBufferWith("jobs", input.jobWords),
      codes: gpu.createBufferWith("codes", codes),
      order: orderBuffer,
    });
    submitPass(gpu, (pass) => kernel.encode(pass, bound, input.jobs.length));
    assertEquals(await readU32(gpu, orderBuffer, order.length), order);
  });
}
