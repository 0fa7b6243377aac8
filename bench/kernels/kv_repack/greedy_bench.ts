import { scratchWords } from "../../../src/codec/scratch.ts";
import { KvRepackGreedyKernel } from "../../../src/kernels/kv_repack/greedy.ts";
import { CODE_BYTES, LAYOUT, openWorkload, STORE_COUNT } from "../../codec/workload.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const { buffers } = openWorkload(gpu);
const kernel = await KvRepackGreedyKernel.create(gpu, { layout: LAYOUT, storeCount: STORE_COUNT });
const ranges = gpu.createBuffer("ranges", scratchWords(LAYOUT, STORE_COUNT).ranges * 4);
const bound = kernel.bind({ ...buffers, ranges });

const work = { bytes: STORE_COUNT * CODE_BYTES };
const options = { group: "kv_repack/greedy, a block of 30 layers", baseline: true, work };
benchKernel("costs kept from token to token", options, context, (pass) => {
  kernel.encode(pass, bound, 1);
});
