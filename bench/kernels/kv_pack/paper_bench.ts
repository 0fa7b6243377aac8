import { KvPackPaperKernel } from "../../../src/kernels/kv_pack/paper.ts";
import { CODE_BYTES, LAYER_COUNT, LAYOUT, openWorkload } from "../../codec/workload.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const { buffers, packedBytes } = openWorkload(gpu);
const kernel = await KvPackPaperKernel.create(gpu, { layout: LAYOUT, layerCount: LAYER_COUNT });
const bound = kernel.bind(buffers, 0);

const work = { bytes: LAYER_COUNT * CODE_BYTES + packedBytes };
const options = { group: "kv_pack, a block of 30 layers", baseline: true, work };
benchKernel("section in workgroup memory", options, context, (pass) => {
  kernel.record(pass, bound, { jobCount: 1, layerCount: LAYER_COUNT });
});
