import {
  MatmulKernel,
  type MatmulOptions,
  type MatmulOutput,
  ROW_TILE,
} from "../../src/kernels/matmul/rows.ts";
import { uploadWeights } from "../../src/kernels/weight_layout.ts";
import { alignUp } from "../../src/core/shapes.ts";
import { dequantise } from "../../src/gguf/dequantise.ts";
import type { TensorType } from "../../src/gguf/tensor_types.ts";
import { packWeights } from "../../src/model/weight_format.ts";
import {
  cappedReference,
  clampedPairsReference,
  geluPairsReference,
  matmulNormReference,
  matmulReference,
  siluPairsReference,
} from "../../src/reference/matmul.ts";
import { readF32, submitPass, testGpu } from "../support/gpu.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";
import { randomBlocks } from "../support/random_blocks.ts";
import { assertEquals, assertNotEquals } from "@std/assert";

/** f32 sums of up to a few thousand products: about 1e-7 of the result each, squared. */
const NMSE_MAX = 1e-12;

/** WGSL lets tanh be off by 1e-5; here it is by about 1e-6. */
const CAPPED_NMSE_MAX = 1e-11;

interface Problem {
  type: TensorType;
  rowCount: number;
  outputCount: number;
  columnCount: number;
  output?: "store" | "add" | "addBiased" | "silu" | "gelu" | "clamped" | "capped";
  /** Of output `add`. */
  factor?: number;
  norm?: boolean;
  sharing?: "subgroup" | "workgroup";
  bindingSizeMax?: number;
  why: string;
}

const CONTROL = { type: "Q4_1", rowCount: 1, outputCount: 64, columnCount: 96 } as const;

const CASES: Problem[] = [
  { ...CONTROL, why: "control" },
  { ...CONTROL, type: "Q4_0", why: "minimum from the scale" },
  { ...CONTROL, type: "Q8_0", why: "8 bits" },
  { ...CONTROL, type: "F16", why: "halves" },
  { ...CONTROL, type: "BF16", why: "bfloat16" },
  { ...CONTROL, type: "F32", why: "plain" },
  { ...CONTROL, type: "Q5_0", why: "5 bits, minimum from the scale" },
  { ...CONTROL, type: "Q5_1", why: "5 bits" },
  { ...CONTROL, type: "Q4_K", columnCount: 256, why: "one super-block" },
  { ...CONTROL, type: "Q5_K", rowCount: 2, columnCount: 512, why: "super-blocks of 5 bits" },
  { ...CONTROL, type: "Q6_K", rowCount: 4, columnCount: 768, why: "super-blocks of 6 bits" },
  { ...CONTROL, type: "Q4_K", rowCount: 5, columnCount: 512, norm: true, why: "with a norm" },
  { ...CONTROL, type: "Q6_K", sharing: "workgroup", columnCount: 256, why: "a slice per block" },
  { ...CONTROL, type: "Q5_K", sharing: "workgroup", columnCount: 768, why: "uneven slices" },
  { ...CONTROL, type: "MXFP4", rowCount: 3, why: "floats of 4 bits" },
  { ...CONTROL, type: "MXFP4", sharing: "workgroup", why: "a scale of each slice" },
  { ...CONTROL, type: "IQ4_NL", rowCount: 2, why: "values of a table" },
  { ...CONTROL, type: "IQ4_XS", columnCount: 512, why: "super-blocks of values of a table" },
  { ...CONTROL, type: "Q3_K", columnCount: 512, why: "super-blocks of 3 bits" },
  {
    ...CONTROL,
    type: "Q3_K",
    sharing: "workgroup",
    columnCount: 512,
    why: "half a vector a slice",
  },
  {
    ...CONTROL,
    type: "Q2_K",
    rowCount: 4,
    columnCount: 768,
    norm: true,
    why: "super-blocks of 2 bits",
  },
  { ...CONTROL, columnCount: 32, why: "one block of columns" },
  { ...CONTROL, outputCount: 1, why: "one output" },
  { ...CONTROL, outputCount: 31, why: "one output short of a group" },
  { ...CONTROL, outputCount: 33, why: "one output more than a group" },
  { ...CONTROL, rowCount: 2, outputCount: 97, why: "a prime number of outputs, two rows" },
  { ...CONTROL, rowCount: 3, why: "a tile of rows that is not full" },
  { ...CONTROL, rowCount: 4, why: "a full tile of rows" },
  { ...CONTROL, rowCount: 5, why: "one row in the last tile" },
  { ...CONTROL, rowCount: 67, outputCount: 61, type: "Q8_0", why: "more rows than a slice" },
  { ...CONTROL, rowCount: 4, output: "add", why: "added to what is there" },
  { ...CONTROL, rowCount: 2, output: "add", factor: 0.25, why: "a part added" },
  { ...CONTROL, rowCount: 2, outputCount: 61, output: "addBiased", factor: 0.5, why: "biases" },
  { ...CONTROL, rowCount: 3, output: "silu", why: "gate and up" },
  { ...CONTROL, rowCount: 2, outputCount: 62, output: "silu", why: "gate and up, uneven" },
  { ...CONTROL, rowCount: 3, outputCount: 62, output: "gelu", why: "gate and up of GELU" },
  { ...CONTROL, rowCount: 3, outputCount: 62, output: "clamped", why: "clamped gate and up" },
  { ...CONTROL, rowCount: 2, outputCount: 33, output: "capped", why: "capped" },
  { ...CONTROL, norm: true, why: "norm" },
  { ...CONTROL, rowCount: 6, norm: true, columnCount: 576, why: "norm of a tile of rows" },
  { ...CONTROL, rowCount: 2, outputCount: 100, bindingSizeMax: 4096, why: "parts of 64 rows" },
  { ...CONTROL, outputCount: 576, columnCount: 1536, why: "the default model's widest product" },
  { ...CONTROL, sharing: "workgroup", columnCount: 32, why: "more slices than blocks" },
  { ...CONTROL, sharing: "workgroup", rowCount: 2, columnCount: 288, why: "uneven slices" },
  { ...CONTROL, sharing: "workgroup", rowCount: 5, norm: true, columnCount: 576, why: "norm" },
];

for (const problem of CASES) {
  const { why, ...parameters } = problem;
  const name = `${JSON.stringify(parameters)} (${why})`;
  Deno.test(`MatmulKernel matches its reference at ${name}`, async () => {
    const { y, expected } = await solve(problem);
    const nmseMax = problem.output === "capped" ? CAPPED_NMSE_MAX : NMSE_MAX;
    assertNear(y.subarray(0, expected.length), expected, nmseMax);
  });
}

for (const sharing of ["subgroup", "workgroup"] as const) {
  for (const type of ["Q4_1", "Q8_0", "F16", "Q5_1", "Q4_K", "Q5_K", "Q6_K"] as const) {
    const name = `a row of ${type} the same bits in any batch, by ${sharing}`;
    Deno.test(`MatmulKernel gives ${name}`, async () => {
      const columnCount = type.endsWith("K") ? 512 : 576;
      const shape = { type, outputCount: 96, columnCount, norm: true, why: "" };
      const facts = (await testGpu()).facts;
      // By subgroup needs subgroups of 8; what the kernel takes elsewhere is the other way.
      const how = facts.subgroupSizeMax === 8 || sharing === "workgroup" ? { sharing } : {};
      const all = await solve({ ...shape, ...how, rowCount: 8 });
      for (const rowCount of [1, 2, 3, 4, 5, 7]) {
        const some = await solve({ ...shape, ...how, rowCount });
        const length = rowCount * shape.outputCount;
        assertEquals(bitsOf(some.y.subarray(0, length)), bitsOf(all.y.subarray(0, length)));
      }
      // The rows differ, so equal bits are not those of one and the same row.
      assertNotEquals(bitsOf(all.y.subarray(0, 96)), bitsOf(all.y.subarray(96, 192)));
    });
  }
}

function bitsOf(values: Float32Array): number[] {
  return [...new Uint32Array(values.slice().buffer)];
}

/** Runs one problem; `y` has the padded rows too. */
async function solve(problem: Problem): Promise<{ y: Float32Array; expected: Float64Array }> {
  const { type, rowCount, outputCount, columnCount, norm = false } = problem;
  const { output = "store", bindingSizeMax = 2 ** 27, factor = 1 } = problem;
  const gpu = await testGpu();
  const bytes = randomBlocks(type, outputCount * columnCount, 1);
  const packed = packWeights([{ type, bytes, rowCount: outputCount }], {
    columnCount,
    bindingSizeMax,
  });
  const weights = uploadWeights(gpu, "weights", packed);
  const paddedCount = alignUp(rowCount, ROW_TILE);
  // Rows beyond the first `rowCount` are there, and must not matter.
  const x = seededNormals(paddedCount * columnCount, 2);
  x[0] = 30; // an outlier, so that the norm is not close to 1
  const normWeight = seededNormals(columnCount, 3);
  const bias = seededNormals(outputCount, 5);
  const isGated = output === "silu" || output === "gelu" || output === "clamped";
  const yCount = isGated ? outputCount / 2 : outputCount;
  const before = seededNormals(paddedCount * yCount, 4);
  const options: MatmulOptions = {
    weights,
    output: outputOf(output, factor),
  };
  if (norm) options.normEpsilon = 1e-5;
  if (problem.sharing) options.sharing = problem.sharing;
  const kernel = await MatmulKernel.create(gpu, options);
  const y = gpu.createBufferWith("y", before);
  const bound = kernel.bind({
    weights,
    x: gpu.createBufferWith("x", x),
    normWeight: gpu.createBufferWith("norm weight", normWeight),
    y,
    ...(output === "addBiased" ? { bias: gpu.createBufferWith("bias", bias) } : {}),
  });
  submitPass(gpu, (pass) => kernel.record(pass, bound, rowCount));
  const used = x.subarray(0, rowCount * columnCount);
  const weight = dequantise(type, bytes, outputCount * columnCount);
  const product = norm
    ? matmulNormReference(weight, used, { weight: normWeight, epsilon: 1e-5 })
    : matmulReference(weight, used, { columnCount });
  const expected = expectedOf(output, product);
  if (output === "add") expected.forEach((value, i) => expected[i] = factor * value + before[i]);
  if (output === "addBiased") {
    const biased = (value: number, i: number) => value + bias[i % outputCount];
    expected.forEach((value, i) => expected[i] = factor * biased(value, i) + before[i]);
  }
  return { y: await readF32(gpu, y, before.length), expected };
}

/** Small enough to bend most outputs. */
const CAP = 2;

function outputOf(kind: NonNullable<Problem["output"]>, factor: number): MatmulOutput {
  if (kind === "add" || kind === "addBiased") return { kind, factor };
  return kind === "capped" ? { kind, cap: CAP } : { kind };
}

function expectedOf(kind: Problem["output"], product: Float64Array): Float64Array {
  if (kind === "silu") return siluPairsReference(product);
  if (kind === "gelu") return geluPairsReference(product);
  if (kind === "clamped") return clampedPairsReference(product);
  return kind === "capped" ? cappedReference(product, CAP) : product;
}
