import { assert } from "@std/assert";
import { AttentionDecodePackedKernel } from "../../src/kernels/attention_decode_packed.ts";
import { partialsWords, sealedSplitCount } from "../../src/kernels/text/attention.ts";
import { attentionDecodePackedReference } from "../../src/reference/attention_decode_packed.ts";
import { attentionMergeReference } from "../../src/reference/attention_merge.ts";
import {
  assertSameBits,
  type AttentionCase,
  caseShape,
  makeAttentionCase,
  type SealedForm,
} from "../support/attention_case.ts";
import { readF32, submitPass, testGpu } from "../support/gpu.ts";
import { assertNear } from "../support/numeric.ts";

/** Codes are exact; f32 sums of up to 256 products, then exp: about 1e-6 per value. */
const NMSE_MAX = 1e-10;

const DEFAULT_HEADS = { kvHeadCount: 3, groupSize: 3, headSize: 64 };
const PAPER = { packSize: 16, keyRel: 0.1, valueRel: 0.2 } as const;

const CASES: { heads: typeof DEFAULT_HEADS; form: SealedForm; why: string }[] = [
  { heads: DEFAULT_HEADS, form: PAPER, why: "the default model, published setting" },
  { heads: DEFAULT_HEADS, form: { ...PAPER, packSize: 4 }, why: "packs of 4" },
  { heads: DEFAULT_HEADS, form: { ...PAPER, packSize: 8 }, why: "packs of 8" },
  { heads: DEFAULT_HEADS, form: { ...PAPER, packSize: 32 }, why: "packs of 32" },
  { heads: DEFAULT_HEADS, form: { ...PAPER, repack: "median" }, why: "median order" },
  {
    heads: { kvHeadCount: 1, groupSize: 1, headSize: 32 },
    form: { packSize: 32, keyRel: 1 / 254, valueRel: 1 / 254 },
    why: "8 code bits, packs of 32",
  },
  {
    heads: { kvHeadCount: 2, groupSize: 4, headSize: 96 },
    form: { packSize: 16, keyRel: 0.02, valueRel: 0.5 },
    why: "6 and 2 code bits",
  },
  {
    heads: { kvHeadCount: 1, groupSize: 8, headSize: 128 },
    form: { packSize: 8, keyRel: 0.05, valueRel: 0.01 },
    why: "5 and 7 code bits, two vectors of heads",
  },
  { heads: { kvHeadCount: 1, groupSize: 16, headSize: 256 }, form: PAPER, why: "large groups" },
  {
    heads: { kvHeadCount: 2, groupSize: 2, headSize: 96 },
    form: { packSize: 4, keyRel: 1 / 254, valueRel: 0.02, repack: "greedy" },
    why: "packs of 4, 8 and 6 code bits, greedy order",
  },
];

/** Sealed blocks: 0, 1, a whole split, one more, and a split that is not full. */
const LENGTHS = [191, 192, 384, 448, 600];

async function runKernel(attention: AttentionCase): Promise<Float32Array> {
  const gpu = await testGpu();
  const { shape, layout, blockCountMax } = attention;
  assert(layout !== null, "the case is packed");
  const options = { shape, splits: shape, layout, blockCountMax };
  const kernel = await AttentionDecodePackedKernel.create(gpu, options);
  const rowCount = attention.rows.length / 4;
  const count = partialsWords(shape, shape, rowCount);
  const partials = gpu.createBuffer("partials", count * 4);
  const bound = kernel.bind({
    q: gpu.createBufferWith("q", attention.q),
    rows: gpu.createBufferWith("rows", attention.rows),
    arena: gpu.createBufferWith("arena", attention.arena),
    directory: gpu.createBufferWith("directory", attention.directory),
    partials,
  });
  const splitCount = sealedSplitCount(attention.blockCountLargest, shape);
  submitPass(gpu, (pass) => kernel.record(pass, bound, { rowCount, splitCount }));
  return await readF32(gpu, partials, count);
}

function reference(attention: AttentionCase): Float64Array {
  const { layout } = attention;
  assert(layout !== null, "the case is packed");
  return attentionDecodePackedReference(attention.shape, { ...attention, layout });
}

for (const { heads, form, why } of CASES) {
  Deno.test(`AttentionDecodePackedKernel matches its reference (${why})`, async () => {
    const blocksPerSplit = heads.groupSize > 8 ? 2 : 4;
    const shape = caseShape(heads, { blocksPerSplit, blockCountMax: 8 });
    const attention = makeAttentionCase(shape, LENGTHS, form);
    assertNear(await runKernel(attention), reference(attention), NMSE_MAX);
  });
}

for (const packSize of [16, 4] as const) {
  Deno.test(`AttentionDecodePackedKernel matches its reference if subgroups cannot be used (packs of ${packSize})`, async () => {
    const { facts } = await testGpu();
    const kept = { ...facts };
    Object.assign(facts, { hasSubgroups: false, isFallback: false });
    try {
      const shape = caseShape(DEFAULT_HEADS, { blocksPerSplit: 4, blockCountMax: 8 });
      const attention = makeAttentionCase(shape, [320], { ...PAPER, packSize });
      assertNear(await runKernel(attention), reference(attention), NMSE_MAX);
    } finally {
      Object.assign(facts, kept);
    }
  });
}

Deno.test("AttentionDecodePackedKernel gives the same attention if the tokens of a block are repacked", async () => {
  const shape = caseShape(DEFAULT_HEADS, { blocksPerSplit: 4, blockCountMax: 8 });
  const merged = [];
  for (const repack of ["none", "median", "greedy"] as const) {
    const attention = makeAttentionCase(shape, [600], { ...PAPER, repack });
    const partials = await runKernel(attention);
    // All blocks and no window: the position is that of the last sealed token.
    const rows = Uint32Array.of(0, 7 * 64 - 1, 7, 0);
    merged.push(attentionMergeReference(shape, { rows, partials }));
  }
  assertNear(merged[1], merged[0], NMSE_MAX);
  assertNear(merged[2], merged[0], NMSE_MAX);
});

Deno.test("AttentionDecodePackedKernel stays finite if scores are in the thousands", async () => {
  const shape = caseShape(DEFAULT_HEADS, { blocksPerSplit: 4, blockCountMax: 8 });
  const attention = makeAttentionCase(shape, [300], PAPER, { scale: 4000 });
  const partials = await runKernel(attention);
  assert(partials.every(Number.isFinite), "all partial results are finite");
  const expected = reference(attention);
  assert(Math.abs(expected[0]) > 1000, "the case has large scores");
  assertNear([partials[0]], [expected[0]], NMSE_MAX);
});

Deno.test("AttentionDecodePackedKernel gives a row the same bits whatever runs beside it", async () => {
  const shape = caseShape(DEFAULT_HEADS, { blocksPerSplit: 4, blockCountMax: 8 });
  const attention = makeAttentionCase(shape, [600, 200, 447], PAPER);
  const width = shape.queryHeadCount * shape.headSize;
  const alone = {
    ...attention,
    q: attention.q.slice(2 * width),
    rows: attention.rows.slice(8),
  };
  const together = await runKernel(attention);
  const single = await runKernel(alone);
  assertSameBits(together.subarray(2 * single.length), single);
});
