import { XquantLayout } from "../../../src/codec/xquant/layout.ts";
import { packJobWords } from "../../../src/codec/scratch.ts";
import { KvQuantiseXquantKernel } from "../../../src/kernels/kv_quantise/xquant.ts";
import { JOBS, openWorkload, RAW_BYTES, SHAPE, STORE_COUNT } from "../../codec/workload.ts";
import { benchTokenRange } from "../../support/baselines.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const workload = openWorkload(gpu);
const layout = new XquantLayout(SHAPE, { name: "xquant", bits: "2", shrink: 1 });
/** Of a layer with codes, and of one that reads them. */
const pairBytes = (layout.ownWords + layout.paramWords) * 4;
const kernel = await KvQuantiseXquantKernel.create(gpu, { layout, storeCount: STORE_COUNT });
const jobs = gpu.createBufferWith("jobs", packJobWords(JOBS));
const records = gpu.createBuffer("records", STORE_COUNT * layout.ownWords * 4);
const flags = gpu.createBuffer("flags", 4);
const bounds = workload.windows.map((words, layer) =>
  kernel.bind(
    { jobs, window: gpu.createBufferWith("window", words), records, flags },
    { store: layer, hasCodes: layer % 2 === 0 },
  )
);

const work = { bytes: STORE_COUNT * (RAW_BYTES + pairBytes / 2) };
const group = "kv_quantise/xquant, a block of 30 layers";
await benchTokenRange(context, workload, { group, work });
benchKernel("whole XQuant records", { group, work }, context, (pass) => {
  for (const bound of bounds) kernel.encode(pass, bound, 1);
});
