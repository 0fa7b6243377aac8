import type { SamplingOptions } from "../../src/core/sampling.ts";
import { SampleChunksKernel } from "../../src/kernels/sample/chunks.ts";
import { SampleKernel } from "../../src/kernels/sample/row.ts";
import { sampleSettingsWords } from "../../src/kernels/sample/sampling.ts";
import { seededNormals } from "../../tests/support/numeric.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const vocabSize = 49152;
const KERNELS = {
  row: await SampleKernel.create(gpu, { vocabSize }),
  chunks: await SampleChunksKernel.create(gpu, { vocabSize }),
};

const greedy: SamplingOptions = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 1 };
const plain = { ...greedy, temperature: 1 };
const VARIANTS: { name: string; settings: SamplingOptions }[] = [
  { name: "greedy", settings: greedy },
  { name: "temperature", settings: plain },
  { name: "top-k 40", settings: { ...plain, topK: 40 } },
  { name: "top-p 0.95", settings: { ...plain, topP: 0.95 } },
  {
    name: "top-k 40, top-p 0.95, min-p 0.05",
    settings: { ...plain, topK: 40, topP: 0.95, minP: 0.05 },
  },
];

for (const rowCount of [1, 4]) {
  const logits = gpu.createBufferWith("logits", seededNormals(rowCount * vocabSize, 1, 4));
  for (const { name, settings } of VARIANTS) {
    const rows = Uint32Array.from({ length: rowCount * 4 }, (_, i) => i % 4 === 0 ? i / 4 : i % 4);
    const words = new Uint32Array(rowCount * 8);
    for (let row = 0; row < rowCount; row++) words.set(sampleSettingsWords(settings), row * 8);
    const buffers = {
      logits,
      rows: gpu.createBufferWith("rows", rows),
      settings: gpu.createBufferWith("settings", words),
      ids: gpu.createBuffer("ids", rowCount * 4),
    };
    const work = { bytes: rowCount * vocabSize * 4 };
    for (const [way, kernel] of Object.entries(KERNELS)) {
      const bound = kernel.bind(buffers, rowCount);
      const baseline = name === "greedy" && way === "row";
      const options = { group: `sample [${rowCount}, ${vocabSize}]`, baseline, work };
      benchKernel(`${name}, by ${way}`, options, context, (pass) => {
        kernel.encode(pass, bound, rowCount);
      });
    }
  }
}
