/** Products of activations as codes of 8 bits: the integers of their reference, on any device. */

import { assertEquals, assertNotEquals } from "@std/assert";
import type { TensorType } from "../../src/gguf/tensor_types.ts";
import { dequantise } from "../../src/gguf/dequantise.ts";
import { MatmulCodesKernel } from "../../src/kernels/matmul/codes.ts";
import { uploadWeights } from "../../src/kernels/weight_layout.ts";
import { packWeights } from "../../src/model/weight_format.ts";
import {
  codeValues,
  quantiseActivationsReference,
} from "../../src/reference/activation_quantise.ts";
import { matmulReference } from "../../src/reference/matmul.ts";
import { readF32, submitPass, testGpu } from "../support/gpu.ts";
import { bitsOf } from "../support/matmul_problem.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";
import { randomBlocks } from "../support/random_blocks.ts";

/** f32 sums of blocks whose products are exact. */
const NMSE_MAX = 1e-12;

const OUTPUT_COUNT = 40;

interface Problem {
  type: TensorType;
  columnCount: number;
  rowCount: number;
  norm?: boolean;
  hasDot4?: boolean;
}

const CASES: (Problem & { why: string })[] = [
  { type: "Q8_0", columnCount: 96, rowCount: 1, why: "signed bytes" },
  { type: "Q4_0", columnCount: 96, rowCount: 2, why: "codes around 8" },
  { type: "Q4_1", columnCount: 96, rowCount: 3, norm: true, why: "minima, a norm" },
  { type: "Q5_0", columnCount: 64, rowCount: 1, why: "codes around 16" },
  { type: "Q5_1", columnCount: 64, rowCount: 1, why: "5 bits and minima" },
  { type: "Q4_K", columnCount: 512, rowCount: 1, why: "super-blocks" },
  { type: "Q5_K", columnCount: 256, rowCount: 1, why: "super-blocks of 5 bits" },
  { type: "Q6_K", columnCount: 512, rowCount: 5, why: "scales of 16 columns" },
];

for (const { why, ...problem } of CASES) {
  Deno.test(`MatmulCodesKernel matches its reference at ${JSON.stringify(problem)} (${why})`, async () => {
    const { y, expected } = await solve(problem);
    assertNear(y.subarray(0, expected.length), expected, NMSE_MAX);
  });
}

for (const type of ["Q4_1", "Q6_K"] as const) {
  const shape = { type, columnCount: 512 };
  Deno.test(`MatmulCodesKernel gives a row of ${type} the same bits in any batch and without dot4I8Packed`, async () => {
    const all = await solve({ ...shape, rowCount: 4 });
    for (const problem of [{ rowCount: 1 }, { rowCount: 2 }, { rowCount: 4, hasDot4: false }]) {
      const some = await solve({ ...shape, ...problem });
      const length = problem.rowCount * OUTPUT_COUNT;
      assertEquals(bitsOf(some.y.subarray(0, length)), bitsOf(all.y.subarray(0, length)));
    }
    const [first, second] = [0, 1].map((row) => all.y.subarray(row * OUTPUT_COUNT, (row + 1) * 40));
    assertNotEquals(bitsOf(first), bitsOf(second));
  });
}

async function solve({ type, columnCount, rowCount, norm = false, hasDot4 = true }: Problem) {
  const gpu = await testGpu();
  const bytes = randomBlocks(type, OUTPUT_COUNT * columnCount, 1);
  const source = { type, bytes, rowCount: OUTPUT_COUNT };
  const packed = packWeights([source], { columnCount, bindingSizeMax: 2 ** 27 });
  const weights = uploadWeights(gpu, "weights", packed);
  const paddedCount = Math.ceil(rowCount / 4) * 4;
  const x = seededNormals(paddedCount * columnCount, 2);
  x[0] = 30; // an outlier
  const normWeight = seededNormals(columnCount, 3);
  const kernel = await MatmulCodesKernel.create(gpu, {
    weights,
    output: { kind: "store" },
    scratch: (label, sizeBytes) => gpu.createBuffer(label, sizeBytes),
    ...(norm ? { normEpsilon: 1e-5 } : {}),
  }, { ...gpu.facts, hasDot4 });
  const y = gpu.createBuffer("y", paddedCount * OUTPUT_COUNT * 4);
  const bound = kernel.bind({
    weights,
    x: gpu.createBufferWith("x", x),
    y,
    ...(norm ? { normWeight: gpu.createBufferWith("norm weight", normWeight) } : {}),
  });
  submitPass(gpu, (pass) => kernel.encode(pass, bound, rowCount));
  const codes = quantiseActivationsReference(x.subarray(0, rowCount * columnCount), {
    columnCount,
    ...(norm ? { norm: { weight: normWeight, epsilon: 1e-5 } } : {}),
  });
  const values = dequantise(type, bytes, OUTPUT_COUNT * columnCount);
  const expected = matmulReference(values, codeValues(codes), { columnCount });
  return { y: await readF32(gpu, y, paddedCount * OUTPUT_COUNT), expected };
}
