import type { TensorType } from "../../src/gguf/tensor_types.ts";
import { ExpertMatmulKernel } from "../../src/kernels/expert_matmul/rows.ts";
import { ExpertMatmulTileKernel } from "../../src/kernels/expert_matmul/tile.ts";
import { ExpertRouteKernel } from "../../src/kernels/expert_route/rows.ts";
import { bundleCapacityWords, ROWS_ROOM, TILE_ROOM } from "../../src/kernels/expert_bundles.ts";
import { uploadExperts } from "../../src/model/expert_weights.ts";
import { seededNormals } from "../../tests/support/numeric.ts";
import { randomBlocks } from "../../tests/support/random_blocks.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
/** A layer of Qwen3-30B-A3B with a quarter of its experts. */
const counts = { expertCount: 32, usedCount: 8 };
const { expertCount, usedCount } = counts;
const columnCount = 2048;
const outputCount = 2 * 768;

// Types of experts in files of qwen3moe and gpt-oss beside the one that others are compared with.
for (const type of ["Q4_1", "Q4_K", "MXFP4"] satisfies TensorType[]) {
  // Zeros would be read faster or slower than weights are.
  const bytes = randomBlocks(type, outputCount * columnCount, 3);
  const weights = uploadExperts(gpu, {
    label: "weights",
    expertCount,
    columnCount,
    arrangement: "stacked",
    sourcesOf: () => [{ type, bytes, rowCount: outputCount }],
  });
  const options = { weights, usedCount, input: "row", output: "silu", hasBiases: false } as const;
  const ways = [
    { name: "few rows", kernel: await ExpertMatmulKernel.create(gpu, options), room: ROWS_ROOM },
    { name: "tiles", kernel: await ExpertMatmulTileKernel.create(gpu, options), room: TILE_ROOM },
  ] as const;
  const runs = [1, 4, 64].flatMap((rowCount) => ways.map((way) => ({ rowCount, ...way })));
  for (const { rowCount, name, kernel, room } of runs) {
    const route = await ExpertRouteKernel.create(gpu, { ...counts, room });
    const make = (label: string, wordCount: number) => gpu.createBuffer(label, wordCount * 4);
    const bundles = make("bundles", bundleCapacityWords({ ...counts, room }, rowCount));
    const routed = route.bind({
      logits: gpu.createBufferWith("logits", seededNormals(rowCount * expertCount, 1)),
      biases: make("biases", expertCount),
      choices: make("choices", rowCount * usedCount),
      shares: make("shares", rowCount * usedCount),
      bundles,
    });
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    route.encode(pass, routed, rowCount);
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    const x = gpu.createBufferWith("x", seededNormals(rowCount * columnCount, 2));
    const y = make("y", rowCount * usedCount * outputCount / 2);
    const bound = kernel.bind({ weights, x, y, bundles });
    const readCount = Math.min(expertCount, rowCount * usedCount);
    const work = {
      bytes: readCount * bytes.length,
      macs: rowCount * usedCount * columnCount * outputCount,
    };
    const group = `expert_matmul ${type} [${outputCount}, ${columnCount}] x ${rowCount}`;
    const repeats = work.macs > 1e8 ? 2 : 10;
    const baseline = room === ROWS_ROOM;
    benchKernel(name, { group, baseline, repeats, work }, context, (pass) => {
      kernel.encode(pass, bound, rowCount);
    });
  }
}
