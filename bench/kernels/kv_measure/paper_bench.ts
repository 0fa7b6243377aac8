import { KvMeasurePaperKernel } from "../../../src/kernels/kv_measure/paper.ts";
import { CODE_BYTES, LAYOUT, openWorkload, STORE_COUNT } from "../../codec/workload.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const { buffers } = openWorkload(gpu);
const kernel = await KvMeasurePaperKernel.create(gpu, { layout: LAYOUT, storeCount: STORE_COUNT });
const bound = kernel.bind(buffers);

const work = { bytes: STORE_COUNT * CODE_BYTES };
const options = { group: "kv_measure, a block of 30 layers", baseline: true, work };
benchKernel("lane per channel", options, context, (pass) => kernel.encode(pass, bound, 1));
