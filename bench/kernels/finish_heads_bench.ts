import { rowWords } from "../../src/core/row.ts";
import { rowOf } from "../../tests/support/attention_case.ts";
import { WINDOW_TILE_COUNT } from "../../src/core/shapes.ts";
import { FinishHeadsKernel } from "../../src/kernels/finish_heads/head.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;
const [queryHeadCount, kvHeadCount, headSize] = [32, 8, 128];
const headCount = queryHeadCount + 2 * kvHeadCount;

for (const over of ["head", "row"] as const) {
  const norm = { over, epsilon: 1e-6 };
  const options = { queryHeadCount, kvHeadCount, headSize, norm };
  const kernel = await FinishHeadsKernel.create(gpu, options);
  for (const rowCount of [1, 64]) {
    const make = (label: string, count: number) => gpu.createBuffer(label, count * 4);
    const rows = Array.from({ length: rowCount }, (_, index) => {
      return rowOf({ slot: 0, position: index, blockCount: 0 }, 0);
    });
    const bound = kernel.bind({
      heads: make("heads", rowCount * headCount * headSize),
      shifts: make("shifts", headCount * headSize),
      gains: make("gains", (queryHeadCount + kvHeadCount) * headSize),
      y: make("q", rowCount * queryHeadCount * headSize),
      rope: make("rope", rowCount * headSize),
      rows: gpu.createBufferWith("rows", rowWords(rows)),
      window: make("window", WINDOW_TILE_COUNT * kvHeadCount * headSize * 64),
    });
    const work = { bytes: rowCount * headSize * (4 * headCount + 4 * queryHeadCount + 4) };
    const group = `finish_heads [${rowCount}, ${headCount} x ${headSize}]`;
    const baseline = over === "head";
    benchKernel(`norm over each ${over}`, { group, baseline, work }, context, (pass) => {
      kernel.encode(pass, bound, rowCount);
    });
  }
}
