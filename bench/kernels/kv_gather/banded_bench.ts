import { KvGatherBandedKernel } from "../../../src/kernels/kv_gather/banded.ts";
import { gatherWords, keptChannelWords } from "../../../src/kernels/kv_gather/gathers.ts";
import { LAYOUT, openBandedWorkload } from "../../codec/banded_workload.ts";
import { CODE_BYTES, STORE_COUNT } from "../../codec/workload.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const { arena, scratchBuffers, targets, packedBytes } = openBandedWorkload(gpu);
const kernel = await KvGatherBandedKernel.create(gpu, { layout: LAYOUT, storeCount: STORE_COUNT });
const places = Array.from({ length: 64 }, (_, place) => place);
const sources = targets.map((record) =>
  Uint32Array.from(places.flatMap((place) => [record, place]))
);
const jobs = [{ scratchIndex: 0, sources, sinkRecords: null, keptChannels: null }];
const gathers = gpu.createBufferWith("gathers", gatherWords(jobs));
const keptWords = keptChannelWords(jobs, LAYOUT.sectionCount / 2);
const keptChannels = gpu.createBufferWith("kept channels", keptWords);
const bound = kernel.bind({ ...scratchBuffers, gathers, keptChannels, arena }, 0);

const work = { bytes: STORE_COUNT * CODE_BYTES + packedBytes };
const options = { group: "kv_gather/banded, a block of 30 layers", baseline: true, work };
benchKernel("a thread for each token", options, context, (pass) => {
  kernel.encode(pass, bound, { jobCount: 1, storeCount: STORE_COUNT });
});
