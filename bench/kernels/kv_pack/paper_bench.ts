import { KvPackPaperKernel } from "../../../src/kernels/kv_pack/paper.ts";
import { CODE_BYTES, LAYOUT, openWorkload, STORE_COUNT } from "../../codec/workload.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const { buffers, packedBytes } = openWorkload(gpu);
const kernel = await KvPackPaperKernel.create(gpu, { layout: LAYOUT, storeCount: STORE_COUNT });
const bound = kernel.bind(buffers, 0);

const work = { bytes: STORE_COUNT * CODE_BYTES + packedBytes };
const options = { group: "kv_pack, a block of 30 layers", baseline: true, work };
benchKernel("section in workgroup memory", options, context, (pass) => {
  kernel.encode(pass, bound, { jobCount: 1, storeCount: STORE_COUNT });
});
