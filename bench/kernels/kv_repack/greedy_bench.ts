import { scratchWords } from "../../../src/codec/scratch.ts";
import { KvRepackGreedyKernel } from "../../../src/kernels/kv_repack/greedy.ts";
import { CODE_BYTES, LAYER_COUNT, LAYOUT, openWorkload } from "../../codec/workload.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const { buffers } = openWorkload(gpu);
const kernel = await KvRepackGreedyKernel.create(gpu, { layout: LAYOUT, layerCount: LAYER_COUNT });
const ranges = gpu.createBuffer("ranges", scratchWords(LAYOUT, LAYER_COUNT).ranges * 4);
const bound = kernel.bind({ ...buffers, ranges });

const work = { bytes: LAYER_COUNT * CODE_BYTES };
const options = { group: "kv_repack/greedy, a block of 30 layers", baseline: true, work };
benchKernel("costs kept from token to token", options, context, (pass) => {
  kernel.record(pass, bound, 1);
});
