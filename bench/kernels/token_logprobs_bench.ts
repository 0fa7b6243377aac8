import {
  LOGPROB_RESULT_SIZE_BYTES,
  TokenLogprobsKernel,
} from "../../src/kernels/token_logprobs/row.ts";
import { seededNormals } from "../../tests/support/numeric.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const vocabSize = 49152;
const kernel = await TokenLogprobsKernel.create(gpu, { vocabSize });

for (const rowCount of [1, 16]) {
  const logits = gpu.createBufferWith("logits", seededNormals(rowCount * vocabSize, 1, 4));
  for (const topCount of [0, 5, 20]) {
    const wanted = Array.from({ length: rowCount }, (_, row) => [row, row, topCount, 0]).flat();
    const bound = kernel.bind({
      logits,
      wanted: gpu.createBufferWith("wanted", Uint32Array.from(wanted)),
      ids: gpu.createBuffer("ids", rowCount * 4),
      results: gpu.createBuffer("results", rowCount * LOGPROB_RESULT_SIZE_BYTES),
    });
    const options = {
      group: `token_logprobs [${rowCount}, ${vocabSize}]`,
      baseline: topCount === 0,
      work: { bytes: rowCount * vocabSize * 4 * 2 },
    };
    const name = `${topCount} alternatives`;
    benchKernel(name, options, context, (pass) => kernel.encode(pass, bound, rowCount));
  }
}
