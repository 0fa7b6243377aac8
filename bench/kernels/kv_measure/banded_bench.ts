import { KvMeasurePaperKernel } from "../../../src/kernels/kv_measure/paper.ts";
import { KvMeasureBandedKernel } from "../../../src/kernels/kv_measure/banded.ts";
import { LAYOUT as BANDED_LAYOUT, openBandedWorkload } from "../../codec/banded_workload.ts";
import { CODE_BYTES, LAYOUT, openWorkload, STORE_COUNT } from "../../codec/workload.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const storeCount = STORE_COUNT;
const widths = await KvMeasurePaperKernel.create(gpu, { layout: LAYOUT, storeCount });
const widthsBound = widths.bind(openWorkload(gpu).buffers);
const bands = await KvMeasureBandedKernel.create(gpu, { layout: BANDED_LAYOUT, storeCount });
const { packedCounts, scratchBuffers } = openBandedWorkload(gpu);
const bandsBound = bands.bind({ packedCounts, ...scratchBuffers });

const work = { bytes: STORE_COUNT * CODE_BYTES };
const group = "kv_measure/banded, a block of 30 layers";
benchKernel("widths, packs of 16", { group, baseline: true, work }, context, (pass) => {
  widths.encode(pass, widthsBound, 1);
});
benchKernel("bands", { group, work }, context, (pass) => bands.encode(pass, bandsBound, 1));
