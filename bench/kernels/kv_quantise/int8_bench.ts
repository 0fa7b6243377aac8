import { Int8Layout } from "../../../src/codec/int8/layout.ts";
import { packJobWords } from "../../../src/codec/scratch.ts";
import { KvQuantiseInt8Kernel } from "../../../src/kernels/kv_quantise/int8.ts";
import { JOBS, openWorkload, RAW_BYTES, SHAPE, STORE_COUNT } from "../../codec/workload.ts";
import { benchTokenRange } from "../../support/baselines.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const workload = openWorkload(gpu);
const layout = new Int8Layout(SHAPE);
const recordBytes = layout.recordWords * 4;
const kernel = await KvQuantiseInt8Kernel.create(gpu, { layout, storeCount: STORE_COUNT });
const jobs = gpu.createBufferWith("jobs", packJobWords(JOBS));
const records = gpu.createBuffer("records", STORE_COUNT * recordBytes);
const flags = gpu.createBuffer("flags", 4);
const bounds = workload.windows.map((words, layer) =>
  kernel.bind({ jobs, window: gpu.createBufferWith("window", words), records, flags }, layer)
);

const work = { bytes: STORE_COUNT * (RAW_BYTES + recordBytes) };
const group = "kv_quantise/int8, a block of 30 layers";
await benchTokenRange(context, workload, { group, work });
benchKernel("whole int8 records", { group, work }, context, (pass) => {
  for (const bound of bounds) kernel.encode(pass, bound, 1);
});
