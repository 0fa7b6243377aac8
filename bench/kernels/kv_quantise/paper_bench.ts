import {
  CODE_BYTES,
  openQuantiser,
  openWorkload,
  RAW_BYTES,
  STORE_COUNT,
} from "../../codec/workload.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { kernel, bounds } = await openQuantiser(context.gpu, openWorkload(context.gpu));

// The range and the codes each read the block; a cache may hold it between them.
const work = { bytes: STORE_COUNT * (RAW_BYTES + CODE_BYTES) };
const options = { group: "kv_quantise, a block of 30 layers", baseline: true, work };
benchKernel("a dispatch per layer", options, context, (pass) => {
  for (const bound of bounds) kernel.encode(pass, bound, 1);
});
