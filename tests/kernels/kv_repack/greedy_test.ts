import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { PaperLayout } from "../../../src/codec/paper/layout.ts";
import { type PackJob, packJobWords, scratchWords } from "../../../src/codec/scratch.ts";
import { EngineError } from "../../../src/core/errors.ts";
import type { Gpu } from "../../../src/gpu/gpu.ts";
import { KvRepackGreedyKernel } from "../../../src/kernels/kv_repack/greedy.ts";
import { kvRepackGreedyReference } from "../../../src/reference/kv_repack/greedy.ts";
import {
  caseInput,
  caseName,
  caseScratch,
  KERNEL_CASES,
  type KernelCase,
  STORE_COUNT,
} from "../../codec/kernel_case.ts";
import { readU32, submitPass, testGpu } from "../../support/gpu.ts";
import { seededRandom } from "../../support/numeric.ts";

/** The order the kernel writes for all jobs and layers. */
async function kernelOrder(
  gpu: Gpu,
  options: {
    layout: PaperLayout;
    jobs: readonly PackJob[];
    storeCount: number;
    codes: Uint8Array;
  },
): Promise<Uint32Array> {
  const { layout, jobs, storeCount, codes } = options;
  const kernel = await KvRepackGreedyKernel.create(gpu, { layout, storeCount });
  const words = scratchWords(layout, storeCount);
  const make = (wordsPerJob: number) => gpu.createBuffer("scratch", jobs.length * wordsPerJob * 4);
  const buffers = {
    jobs: gpu.createBufferWith("jobs", packJobWords(jobs)),
    codes: gpu.createBufferWith("codes", codes),
    ranges: make(words.ranges),
    order: make(words.order),
  };
  const bound = kernel.bind(buffers);
  submitPass(gpu, (pass) => kernel.encode(pass, bound, jobs.length));
  const order = await readU32(gpu, buffers.order, jobs.length * words.order);
  for (const buffer of Object.values(buffers)) gpu.destroyBuffer(buffer);
  return order;
}

const LARGE_CASE: KernelCase = {
  kvHeadCount: 9,
  headSize: 128,
  packSize: 32,
  keyRel: 0.1,
  valueRel: 0.2,
  why: "channels of three chunks",
};

for (const kernelCase of [...KERNEL_CASES, LARGE_CASE]) {
  Deno.test(`KvRepackGreedyKernel equals its reference at ${caseName(kernelCase)}`, async () => {
    const gpu = await testGpu();
    const input = caseInput(kernelCase);
    const { codes, order } = caseScratch(kernelCase, input, "greedy");
    assert(order.some((token, place) => token !== place % 64), "some order is not the identity");
    const options = { ...input, codes, storeCount: STORE_COUNT };
    assertEquals(await kernelOrder(gpu, options), order);
  });
}

const WIDEST = { headSize: 256, keyBits: 8, valueBits: 8 };

for (const [packSize, kvHeadCount] of [[8, 24], [4, 22]]) {
  Deno.test(`KvRepackGreedyKernel equals its reference at the most channels, close cosines and longest loops (packs of ${packSize})`, async () => {
    const gpu = await testGpu();
    const layout = new PaperLayout({ kvHeadCount, packSize, ...WIDEST });
    const jobs = [0, 1].map((index) => ({ slot: 0, tile: 0, tokenCount: 64, scratchIndex: index }));
    const random = seededRandom(5);
    const codeCount = scratchWords(layout, 1).codes * 4;
    const codes = new Uint8Array(2 * codeCount);
    for (let i = 0; i < codeCount; i++) {
      const token = i % 64;
      // Cosines that differ by about 1e-7: the codes are 255, but for one in some hundred.
      codes[i] = random() < 1 / (512 + 8 * token) ? 254 : 255;
      // Every token widens every channel of its pack.
      codes[codeCount + i] = 3 * token + (random() < 0.5 ? 1 : 0);
    }
    const params = new Uint32Array(2 * 2 * 64);
    const order = kvRepackGreedyReference(layout, { codes, params }, { jobs, storeCount: 1 });
    assertEquals(await kernelOrder(gpu, { layout, jobs, storeCount: 1, codes }), order);
  });

  Deno.test(`KvRepackGreedyKernel.create() refuses more channels than software Vulkan can loop over (packs of ${packSize})`, async () => {
    const shape = { kvHeadCount: kvHeadCount + 1, packSize, ...WIDEST };
    const options = { layout: new PaperLayout(shape), storeCount: 1 };
    const gpu = await testGpu();
    const error = await assertRejects(() => KvRepackGreedyKernel.create(gpu, options), EngineError);
    const { message } = error as EngineError;
    assertStringIncludes(message, `${(kvHeadCount + 1) * 256} channels`);
    assertStringIncludes(message, `${kvHeadCount * 256} with packs of ${packSize}`);
  });
}
