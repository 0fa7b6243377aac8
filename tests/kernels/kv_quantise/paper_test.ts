import { rawTileWords } from "../../../src/codec/record.ts";
import { WINDOW_TILE_COUNT } from "../../../src/core/shapes.ts";
import { assertEquals } from "@std/assert";
import { rawTileFrom } from "../../../src/codec/raw_tile.ts";
import { type PackJob, packJobWords, scratchWords } from "../../../src/codec/scratch.ts";
import { KvQuantisePaperKernel } from "../../../src/kernels/kv_quantise/paper.ts";
import { kvQuantisePaperReference } from "../../../src/reference/kv_quantise/paper.ts";
import { caseInput, caseName, KERNEL_CASES, type KernelCase } from "../../codec/kernel_case.ts";
import { readU32, submitPass, testGpu } from "../../support/gpu.ts";

/** Quantises all layers on the GPU and reads the scratch buffers. */
async function quantiseOnGpu(
  kernelCase: KernelCase,
  input: Pick<ReturnType<typeof caseInput>, "layout" | "windows" | "jobs" | "jobWords">,
) {
  const { layout, windows, jobs, jobWords } = input;
  const gpu = await testGpu();
  const storeCount = windows.length;
  const { keyRel, valueRel } = kernelCase;
  const kernel = await KvQuantisePaperKernel.create(gpu, { layout, storeCount, keyRel, valueRel });
  const words = scratchWords(layout, storeCount);
  const scratch = {
    codes: gpu.createBuffer("codes", jobs.length * words.codes * 4),
    params: gpu.createBuffer("params", jobs.length * words.params * 4),
    order: gpu.createBuffer("order", jobs.length * words.order * 4),
    flags: gpu.createBuffer("flags", jobs.length * words.flags * 4),
  };
  const jobsBuffer = gpu.createBufferWith("jobs", jobWords);
  const bounds = windows.map((window, layer) => {
    const windowBuffer = gpu.createBufferWith("window", window);
    return kernel.bind({ jobs: jobsBuffer, window: windowBuffer, ...scratch }, layer);
  });
  submitPass(gpu, (pass) => {
    for (const bound of bounds) kernel.encode(pass, bound, jobs.length);
  });
  const codes = await readU32(gpu, scratch.codes, jobs.length * words.codes);
  return {
    codes: new Uint8Array(codes.buffer),
    params: await readU32(gpu, scratch.params, jobs.length * words.params),
    order: await readU32(gpu, scratch.order, jobs.length * words.order),
    flags: await readU32(gpu, scratch.flags, jobs.length),
  };
}

for (const kernelCase of KERNEL_CASES) {
  Deno.test(`KvQuantisePaperKernel equals its reference bit for bit at ${caseName(kernelCase)}`, async () => {
    const input = caseInput(kernelCase);
    const expected = kvQuantisePaperReference(input.layout, input, kernelCase);
    assertEquals(await quantiseOnGpu(kernelCase, input), expected);
  });
}

Deno.test("KvQuantisePaperKernel flags blocks with infinity or NaN in a present token, and no others", async () => {
  const kernelCase = KERNEL_CASES[0];
  const { layout, windows } = caseInput(kernelCase);
  const channelCount = layout.kvHeadCount * layout.headSize;
  const tileWords = rawTileWords(layout);
  const placed: { value: number; side: 0 | 1; tokenCount: number; flag: number }[] = [
    { value: Infinity, side: 0, tokenCount: 64, flag: 1 },
    { value: -Infinity, side: 1, tokenCount: 64, flag: 1 },
    { value: NaN, side: 0, tokenCount: 51, flag: 1 },
    { value: Infinity, side: 1, tokenCount: 51, flag: 1 },
    { value: NaN, side: 1, tokenCount: 50, flag: 0 },
    { value: -65504, side: 0, tokenCount: 64, flag: 0 },
  ];
  const jobs = placed.map(({ value, side, tokenCount }, index): PackJob => {
    const values = new Float32Array(64 * channelCount);
    values[50 * channelCount + 76 + (index & 1)] = value; // both halves of a word
    const tile = side === 0 ? rawTileFrom(layout, values, []) : rawTileFrom(layout, [], values);
    windows[1].set(tile, index * tileWords);
    const slot = Math.floor(index / WINDOW_TILE_COUNT);
    return { slot, tile: index % WINDOW_TILE_COUNT, tokenCount, scratchIndex: 0 };
  });
  const input = { layout, windows, jobs, jobWords: packJobWords(jobs) };
  const { flags } = await quantiseOnGpu(kernelCase, input);
  assertEquals([...flags], placed.map(({ flag }) => flag));
  assertEquals(flags, kvQuantisePaperReference(layout, input, kernelCase).flags);
});
