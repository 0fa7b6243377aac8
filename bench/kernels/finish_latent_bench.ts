import { rowWords } from "../../src/core/row.ts";
import { WINDOW_TILE_COUNT } from "../../src/core/shapes.ts";
import { FinishLatentKernel } from "../../src/kernels/finish_latent/row.ts";
import { rowOf } from "../../tests/support/attention_case.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const [queryHeadCount, headSize, rank, turnedSize] = [16, 288, 512, 64];
const sizes = { queryHeadCount, headSize, rank, turnedSize, scale: 1, epsilon: 1e-6 };
const kernel = await FinishLatentKernel.create(gpu, { ...sizes, makesLatent: true });

for (const rowCount of [1, 64]) {
  const make = (label: string, count: number) => gpu.createBuffer(label, count * 4);
  const rows = Array.from({ length: rowCount }, (_, index) => {
    return rowOf({ slot: 0, position: index, blockCount: 0 }, 0);
  });
  const bound = kernel.bind({
    absorbed: make("absorbed", rowCount * queryHeadCount * rank),
    turnedParts: make("turned", rowCount * queryHeadCount * turnedSize),
    latents: make("latents", rowCount * (rank + turnedSize)),
    gains: make("gains", rank),
    y: make("q", rowCount * queryHeadCount * 2 * headSize),
    rope: make("rope", rowCount * headSize),
    rows: gpu.createBufferWith("rows", rowWords(rows)),
    window: make("window", WINDOW_TILE_COUNT * headSize * 64),
  });
  const width = 2 * headSize;
  const work = { bytes: rowCount * width * (8 * queryHeadCount + 4) };
  const group = `finish_latent [${rowCount}, ${queryHeadCount} x ${width}]`;
  benchKernel("one way", { group, baseline: true, work }, context, (pass) => {
    kernel.encode(pass, bound, rowCount);
  });
}
