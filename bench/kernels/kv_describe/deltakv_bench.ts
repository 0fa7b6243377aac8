import { turnWords } from "../../../src/codec/deltakv/centres.ts";
import { DeltaKvLayout } from "../../../src/codec/deltakv/layout.ts";
import { DELTAKV_PROFILES } from "../../../src/codec/deltakv/settings.ts";
import { KvDescribeDeltaKvKernel } from "../../../src/kernels/kv_describe/deltakv.ts";
import { KvMeasurePaperKernel } from "../../../src/kernels/kv_measure/paper.ts";
import { sampleTurns } from "../../../tests/support/described_tiles.ts";
import { CODE_BYTES, LAYOUT, openWorkload, SHAPE, STORE_COUNT } from "../../codec/workload.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const { buffers } = openWorkload(gpu);
const layout = new DeltaKvLayout(SHAPE, DELTAKV_PROFILES.profile({ name: "deltakv" }));
const kernel = await KvDescribeDeltaKvKernel.create(gpu, { layout, storeCount: STORE_COUNT });
const words = turnWords(sampleTurns(SHAPE.headSize), SHAPE.headSize);
const turns = gpu.createBufferWith("turns", words);
const heads = gpu.createBuffer("heads", STORE_COUNT * layout.headWords(true) * 4);
const bounds = Array.from(
  { length: STORE_COUNT },
  (_, store) => kernel.bind({ ...buffers, turns, heads }, store),
);

const work = { bytes: STORE_COUNT * CODE_BYTES };
const group = "kv_describe/deltakv, a block of 30 layers";
const measure = await KvMeasurePaperKernel.create(gpu, { layout: LAYOUT, storeCount: STORE_COUNT });
const bound = measure.bind(buffers);
const baseline = { group, baseline: true, work };
benchKernel("kv_measure/paper", baseline, context, (pass) => measure.encode(pass, bound, 1));
benchKernel("nearest centres, measured in each way", { group, work }, context, (pass) => {
  for (const each of bounds) kernel.encode(pass, each, 1);
});
