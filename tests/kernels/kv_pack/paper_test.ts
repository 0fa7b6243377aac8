import { assert, assertEquals, assertRejects } from "@std/assert";
import { PaperLayout } from "../../../src/codec/paper/layout.ts";
import { packJobWords } from "../../../src/codec/scratch.ts";
import { checkPaper } from "../../../src/codec/paper/unpack.ts";
import { EngineError } from "../../../src/core/errors.ts";
import type { Gpu } from "../../../src/gpu/gpu.ts";
import { KvPackPaperKernel } from "../../../src/kernels/kv_pack/paper.ts";
import { kvMeasurePaperReference } from "../../../src/reference/kv_measure/paper.ts";
import { kvPackPaperReference } from "../../../src/reference/kv_pack/paper.ts";
import {
  caseInput,
  caseName,
  caseScratch,
  KERNEL_CASES,
  STORE_COUNT,
} from "../../codec/kernel_case.ts";
import { readU32, submitPass, testGpu } from "../../support/gpu.ts";

/** What the arena holds before: a packer must overwrite all of a record and nothing else. */
const OLD_WORD = 0xdeadbeef;
const storeCount = STORE_COUNT;

for (const kernelCase of KERNEL_CASES) {
  for (const repack of ["none", "median"] as const) {
    Deno.test(`KvPackPaperKernel equals its reference bit for bit at ${caseName(kernelCase)}, ${repack}`, async () => {
      const gpu = await testGpu();
      const input = caseInput(kernelCase);
      const { layout } = input;
      const scratch = caseScratch(kernelCase, input, repack);
      const sizes = kvMeasurePaperReference(layout, scratch, { ...input, storeCount });
      // Packed in another order than measured, and one measured block is not packed at all.
      const jobs = input.jobs.slice(1).reverse();
      const targets = new Uint32Array(jobs.length * storeCount);
      const ends = new Uint32Array(jobs.length * storeCount);
      let end = 4;
      for (const index of targets.keys()) {
        const entry = jobs[Math.floor(index / storeCount)].scratchIndex * storeCount +
          index % storeCount;
        const own = sizes.subarray(entry * layout.sectionCount, (entry + 1) * layout.sectionCount);
        targets[index] = end;
        ends[index] = end + layout.recordWords(own.reduce((sum, words) => sum + words, 0));
        end = ends[index] + 8 * (index % 2);
      }
      const expected = new Uint32Array(end + 16).fill(OLD_WORD);
      kvPackPaperReference(layout, scratch, { jobs, storeCount, targets }, expected);
      const packed = await packOnGpu(gpu, { layout, scratch, sizes, targets, jobs, end });
      assertEquals(packed, expected);
      for (const [index, target] of targets.entries()) {
        const { tokenCount } = jobs[Math.floor(index / storeCount)];
        checkPaper(layout, packed.subarray(target, ends[index]), tokenCount);
      }
    });
  }
}

async function packOnGpu(
  gpu: Gpu,
  input: {
    layout: PaperLayout;
    scratch: ReturnType<typeof caseScratch>;
    sizes: Uint32Array;
    targets: Uint32Array;
    jobs: Parameters<typeof packJobWords>[0];
    end: number;
  },
): Promise<Uint32Array> {
  const { layout, scratch, sizes, targets, jobs, end } = input;
  const kernel = await KvPackPaperKernel.create(gpu, { layout, storeCount });
  const arena = gpu.createBufferWith("arena", new Uint32Array(end + 16).fill(OLD_WORD));
  const buffers = {
    jobs: gpu.createBufferWith("jobs", packJobWords(jobs)),
    codes: gpu.createBufferWith("codes", scratch.codes),
    params: gpu.createBufferWith("params", scratch.params),
    order: gpu.createBufferWith("order", scratch.order),
    sizes: gpu.createBufferWith("sizes", sizes),
    targets: gpu.createBufferWith("targets", targets),
    arena,
  };
  // Two groups of layers, though both have the same arena here.
  const counts = { jobCount: jobs.length, storeCount: 1 };
  submitPass(gpu, (pass) => {
    kernel.encode(pass, kernel.bind(buffers, 0), counts);
    kernel.encode(pass, kernel.bind(buffers, 1), counts);
  });
  return await readU32(gpu, arena, end + 16);
}

Deno.test("KvPackPaperKernel refuses a layout whose sections exceed workgroup memory, with numbers", async () => {
  const gpu = await testGpu();
  const layout = new PaperLayout({ ...KERNEL_CASES[4], keyBits: 8, valueBits: 8 });
  const small = { facts: { ...gpu.facts, workgroupMemoryBytesMax: 16384 } } as Gpu;
  assert(gpu.facts.workgroupMemoryBytesMax >= 16384, "WebGPU grants 16 KiB");
  const error = await assertRejects(() =>
    KvPackPaperKernel.create(small, { layout, storeCount: 1 })
  );
  assert(error instanceof EngineError && error.code === "adapter_unsupported");
  assert(error.message.includes("16384"), error.message);
});
