import { rawTileWords } from "../../../src/codec/record.ts";
import { gatherWords } from "../../../src/kernels/kv_gather/gathers.ts";
import { KvGatherRawKernel } from "../../../src/kernels/kv_gather/raw.ts";
import { SHAPE, STORE_COUNT } from "../../codec/workload.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const tileWords = rawTileWords(SHAPE);
const kernel = await KvGatherRawKernel.create(gpu, { shape: SHAPE, storeCount: STORE_COUNT });
const sources = Array.from({ length: STORE_COUNT }, (_, store) =>
  Uint32Array.from(
    Array.from({ length: 64 }, (_, place) => [store * tileWords, place]).flat(),
  ));
const bound = kernel.bind({
  gathers: gpu.createBufferWith(
    "gathers",
    gatherWords([{ scratchIndex: 0, sources, sinkRecords: null, keptChannels: null }]),
  ),
  arena: gpu.createBuffer("arena", STORE_COUNT * tileWords * 4),
  tiles: gpu.createBuffer("tiles", STORE_COUNT * tileWords * 4),
}, 0);
const work = { bytes: 2 * STORE_COUNT * tileWords * 4 };
const options = { group: "kv_gather/raw, a block of 30 layers", baseline: true, work };
benchKernel("a thread for each token", options, context, (pass) => {
  kernel.encode(pass, bound, { jobCount: 1, storeCount: STORE_COUNT });
});
