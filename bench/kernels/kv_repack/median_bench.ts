import { KvRepackMedianKernel } from "../../../src/kernels/kv_repack/median.ts";
import { CODE_BYTES, LAYOUT, openWorkload, STORE_COUNT } from "../../codec/workload.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const { buffers } = openWorkload(gpu);
const kernel = await KvRepackMedianKernel.create(gpu, { layout: LAYOUT, storeCount: STORE_COUNT });
const bound = kernel.bind(buffers);

const work = { bytes: (STORE_COUNT * CODE_BYTES) / 2 };
const options = { group: "kv_repack/median, a block of 30 layers", baseline: true, work };
benchKernel("a bit of the median per pass", options, context, (pass) => {
  kernel.encode(pass, bound, 1);
});
