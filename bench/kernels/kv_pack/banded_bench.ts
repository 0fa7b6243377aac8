import { KvPackPaperKernel } from "../../../src/kernels/kv_pack/paper.ts";
import { KvPackBandedKernel } from "../../../src/kernels/kv_pack/banded.ts";
import { LAYOUT as BANDED_LAYOUT, openBandedWorkload } from "../../codec/banded_workload.ts";
import { CODE_BYTES, LAYOUT, openWorkload, STORE_COUNT } from "../../codec/workload.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const counts = { jobCount: 1, storeCount: STORE_COUNT };
const group = "kv_pack/banded, a block of 30 layers";

const plain = openWorkload(gpu);
const widths = await KvPackPaperKernel.create(gpu, { layout: LAYOUT, storeCount: STORE_COUNT });
const widthsBound = widths.bind(plain.buffers, 0);
const widthsWork = { bytes: STORE_COUNT * CODE_BYTES + plain.packedBytes };
const options = { group, baseline: true, work: widthsWork };
benchKernel("minima and widths, packs of 16", options, context, (pass) => {
  widths.encode(pass, widthsBound, counts);
});

const banded = openBandedWorkload(gpu);
const { packJobs: jobs, arena, scratchBuffers } = banded;
const bands = await KvPackBandedKernel.create(gpu, {
  layout: BANDED_LAYOUT,
  storeCount: STORE_COUNT,
});
const bandsBound = bands.bind({ jobs, arena, ...scratchBuffers }, 0);
const work = { bytes: STORE_COUNT * CODE_BYTES + banded.packedBytes };
benchKernel("bands", { group, work }, context, (pass) => bands.encode(pass, bandsBound, counts));
