import { Kernel } from "../../src/gpu/kernel.ts";
import { MatmulKernel } from "../../src/kernels/matmul/rows.ts";
import type { WeightFormat } from "../../src/kernels/weight_formats.ts";
import { uploadWeights, weightsSizeBytes } from "../../src/kernels/weight_layout.ts";
import { TENSOR_TYPES, type TensorType } from "../../src/gguf/tensor_types.ts";
import { packWeights } from "../../src/model/weight_format.ts";
import { seededNormals } from "../../tests/support/numeric.ts";
import { randomBlocks } from "../../tests/support/random_blocks.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";
import plainSource from "./plain/matmul.wgsl" with { type: "text" };

const context = await openBenchGpu();
const { gpu } = context;

/** Products of the default model. */
const SHAPES: { type: TensorType; outputCount: number; columnCount: number; rows: number[] }[] = [
  { type: "Q4_1", outputCount: 960, columnCount: 576, rows: [1] },
  { type: "Q4_1", outputCount: 576, columnCount: 576, rows: [1] },
  { type: "Q4_1", outputCount: 3072, columnCount: 576, rows: [1, 2, 4, 8, 64] },
  { type: "Q4_1", outputCount: 576, columnCount: 1536, rows: [1, 64] },
  { type: "Q8_0", outputCount: 49152, columnCount: 576, rows: [1, 4] },
  // One shape in each type: their rates are compared with Q4_1's.
  ...(Object.keys(TENSOR_TYPES) as TensorType[]).map((type) => {
    return { type, outputCount: 2048, columnCount: 1024, rows: [1, 64] };
  }),
];

for (const { type, outputCount, columnCount, rows } of SHAPES) {
  // Zeros would be read faster or slower than weights are.
  const bytes = randomBlocks(type, outputCount * columnCount, 2);
  const source = { type, bytes, rowCount: outputCount };
  const packed = packWeights([source], { columnCount, bindingSizeMax: 2 ** 27 });
  const weights = uploadWeights(gpu, "weights", packed);
  const kernel = await MatmulKernel.create(gpu, { weights, output: { kind: "store" } });
  const rowCountMax = Math.max(4, ...rows);
  const x = gpu.createBufferWith("x", seededNormals(rowCountMax * columnCount, 1));
  const y = gpu.createBuffer("y", rowCountMax * outputCount * 4);
  const bound = kernel.bind({ weights, x, y });
  const { format, words, scales } = weights.parts[0];
  const isPlain = format === "q4" || format === "q8";
  const plain = isPlain ? await plainKernel(format, { outputCount, columnCount }) : null;
  const plainBound = plain && plain.bind({ weights: words, scales: scales!, x, y });
  for (const rowCount of rows) {
    const work = {
      bytes: weightsSizeBytes(weights) + rowCount * (columnCount + outputCount) * 4,
      macs: rowCount * columnCount * outputCount,
    };
    const group = `matmul ${type} [${outputCount}, ${columnCount}] x ${rowCount}`;
    const options = { group, work, repeats: work.macs > 1e8 ? 2 : 10 };
    if (plain) {
      benchKernel("plain: a lane per output", { ...options, baseline: true }, context, (pass) => {
        plain.dispatch(pass, plainBound!, outputCount / 32, rowCount);
      });
    }
    benchKernel("x shared, 4 outputs x rows", options, context, (pass) => {
      kernel.encode(pass, bound, rowCount);
    });
  }
}

function plainKernel(
  format: WeightFormat,
  constants: { outputCount: number; columnCount: number },
): Promise<Kernel> {
  return Kernel.create(gpu, {
    label: "plain matmul",
    code: plainSource,
    constants: {
      COLUMN_COUNT: constants.columnCount,
      OUTPUT_COUNT: constants.outputCount,
      CODE_BITS: format === "q4" ? 4 : 8,
    },
  });
}
