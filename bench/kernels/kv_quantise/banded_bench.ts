import { KvQuantiseBandedKernel } from "../../../src/kernels/kv_quantise/banded.ts";
import { LAYOUT, openBandedWorkload } from "../../codec/banded_workload.ts";
import { CODE_BYTES, openWorkload, RAW_BYTES, STORE_COUNT } from "../../codec/workload.ts";
import { benchTokenRange } from "../../support/baselines.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const { jobs, layers, scratchBuffers } = openBandedWorkload(gpu);
const options = { layout: LAYOUT, storeCount: STORE_COUNT };
const kernel = await KvQuantiseBandedKernel.create(gpu, options);
const bounds = layers.map(({ window, quantiser: tables }, layer) =>
  kernel.bind({ jobs, window, tables, ...scratchBuffers }, layer)
);

const work = { bytes: STORE_COUNT * (RAW_BYTES + CODE_BYTES) };
const group = "kv_quantise/banded, a block of 30 layers";
await benchTokenRange(context, openWorkload(gpu), { group, work });
benchKernel("steps by the magnitude of V", { group, work }, context, (pass) => {
  for (const bound of bounds) kernel.encode(pass, bound, 1);
});
