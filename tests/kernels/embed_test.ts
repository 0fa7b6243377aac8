import { rowWords } from "../../src/core/row.ts";
import { EmbedKernel } from "../../src/kernels/embed/row.ts";
import { uploadWeights } from "../../src/kernels/weight_layout.ts";
import { dequantise } from "../../src/gguf/dequantise.ts";
import { TENSOR_TYPES, type TensorType } from "../../src/gguf/tensor_types.ts";
import { packWeights } from "../../src/model/weight_format.ts";
import { embedReference } from "../../src/reference/embed.ts";
import { readF32, submitPass, testGpu } from "../support/gpu.ts";
import { assertNear } from "../support/numeric.ts";
import { anyBlocks, randomBlocks } from "../support/random_blocks.ts";
import { assert, assertEquals } from "@std/assert";

/** One rounding to f32 per value. */
const NMSE_MAX = 1e-14;

const ROW_COUNT = 101;
const IDS = [0, 100, 31, 32, 64, 63, 99, 0];

const CASES: {
  type: TensorType;
  columnCount: number;
  bindingSizeMax?: number;
  scale?: number;
  why: string;
}[] = [
  { type: "Q8_0", columnCount: 96, why: "control" },
  { type: "Q4_0", columnCount: 96, why: "4 bits" },
  { type: "Q4_1", columnCount: 96, why: "4 bits with minimum" },
  { type: "F16", columnCount: 96, why: "halves" },
  { type: "BF16", columnCount: 96, why: "bfloat16" },
  { type: "F32", columnCount: 96, why: "plain" },
  { type: "Q5_0", columnCount: 96, why: "5 bits" },
  { type: "Q5_1", columnCount: 96, why: "5 bits with minimum" },
  { type: "Q4_K", columnCount: 256, why: "a super-block of 4 bits" },
  { type: "Q5_K", columnCount: 768, why: "super-blocks of 5 bits" },
  { type: "Q6_K", columnCount: 512, why: "super-blocks of 6 bits" },
  { type: "MXFP4", columnCount: 96, why: "floats of 4 bits" },
  { type: "IQ4_NL", columnCount: 96, why: "values of a table" },
  { type: "IQ4_XS", columnCount: 512, why: "super-blocks of values of a table" },
  { type: "Q3_K", columnCount: 768, why: "super-blocks of 3 bits" },
  { type: "Q2_K", columnCount: 256, why: "a super-block of 2 bits" },
  { type: "Q8_0", columnCount: 96, scale: 0.5, why: "scaled" },
  { type: "Q8_0", columnCount: 32, why: "one block" },
  { type: "Q8_0", columnCount: 1056, why: "more blocks than threads" },
  { type: "Q8_0", columnCount: 96, bindingSizeMax: 3072, why: "four parts of 32 rows" },
];

/** What embedding must not look at. */
const ELSEWHERE = { slot: 9, position: 9, listStart: 9, listCount: 9, firstWindowBlock: 9 };

for (const { type, columnCount, bindingSizeMax = 2 ** 27, scale = 1, why } of CASES) {
  Deno.test(`EmbedKernel matches its reference at ${type} x ${columnCount} (${why})`, async () => {
    const bytes = randomBlocks(type, ROW_COUNT * columnCount, 1);
    const problem = { type, bytes, columnCount, rowCount: ROW_COUNT, ids: IDS };
    const { actual, expected, partCount } = await embed({ ...problem, bindingSizeMax, scale });
    assert(bindingSizeMax > 3072 || partCount === 4, "the weight is in four parts");
    assertNear(actual, expected, NMSE_MAX);
    assertEquals(bitsOf(actual), bitsOf(expected), "the same bits");
  });
}

for (const type of Object.keys(TENSOR_TYPES) as TensorType[]) {
  Deno.test(`EmbedKernel gives the reference's bits whatever the blocks of ${type}`, async () => {
    const [rowCount, columnCount] = [32, 1024];
    const bytes = anyBlocks(type, rowCount * columnCount, 2);
    const ids = Array.from({ length: rowCount }, (_, row) => row);
    const { actual, expected } = await embed({ type, bytes, columnCount, rowCount, ids });
    assertEquals(bitsOf(actual), bitsOf(expected));
  });
}

/** Embeds `ids` in an order of their own. */
async function embed(problem: {
  type: TensorType;
  bytes: Uint8Array;
  columnCount: number;
  rowCount: number;
  ids: readonly number[];
  bindingSizeMax?: number;
  scale?: number;
}): Promise<{ actual: Float32Array; expected: Float32Array; partCount: number }> {
  const { type, bytes, columnCount, rowCount, ids, bindingSizeMax = 2 ** 27, scale = 1 } = problem;
  const gpu = await testGpu();
  const packed = packWeights([{ type, bytes, rowCount }], { columnCount, bindingSizeMax });
  const kernel = await EmbedKernel.create(gpu, uploadWeights(gpu, "weights", packed), { scale });
  const order = ids.map((_, index) => (index * 3) % ids.length);
  const x = gpu.createBuffer("x", ids.length * columnCount * 4);
  const rows = rowWords(order.map((idIndex) => ({ ...ELSEWHERE, idIndex })));
  const bound = kernel.bind({
    ids: gpu.createBufferWith("ids", Uint32Array.from(ids)),
    rows: gpu.createBufferWith("rows", rows),
    x,
  });
  submitPass(gpu, (pass) => kernel.encode(pass, bound, ids.length));
  const weight = dequantise(type, bytes, rowCount * columnCount).map((value) => value * scale);
  const expected = embedReference(weight, order.map((i) => ids[i]), { columnCount });
  const actual = await readF32(gpu, x, expected.length);
  return { actual, expected: Float32Array.from(expected), partCount: packed.parts.length };
}

/** Bits of values, with -0 as 0, and -1 for what is no number. */
function bitsOf(values: Float32Array): number[] {
  const bits = new Uint32Array(values.map((value) => value + 0).buffer);
  return Array.from(values, (value, index) => Number.isNaN(value) ? -1 : bits[index]);
}
