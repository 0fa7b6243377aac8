import { assert } from "@std/assert";
import { XQUANT } from "../../../src/codec/xquant/codec.ts";
import { ENTRY_WORDS, ROW_WORDS } from "../../../src/core/row.ts";
import { AttentionDecodeXquantKernel } from "../../../src/kernels/attention_decode/xquant.ts";
import { codeStartBuffer } from "../../../src/kernels/text/xquant.ts";
import { partialsWords, sealedSplitCount } from "../../../src/kernels/text/attention.ts";
import { attentionDecodeXquantReference } from "../../../src/reference/attention_decode/xquant.ts";
import { assertSameBits, type AttentionCase, caseShape } from "../../support/attention_case.ts";
import { makeCodecCase } from "../../support/codec_case.ts";
import { readF32, submitPass, testGpu } from "../../support/gpu.ts";
import { assertNear } from "../../support/numeric.ts";

/** Codes are exact; f32 sums of up to 256 products, then exp: about 1e-6 per value. */
const NMSE_MAX = 1e-10;

/** Sealed blocks: 0, 1, a whole split, one more, and a split that is not full. */
const LENGTHS = [191, 192, 384, 448, 600];

function xquantCase(
  heads: { kvHeadCount: number; groupSize: number; headSize: number },
  lengths: readonly number[],
  { bits = "2", layer = 1, ...options }: {
    scale?: number;
    bits?: "2" | "1" | "2-1";
    layer?: 0 | 1;
  } = {},
) {
  const shape = caseShape(heads, { blocksPerSplit: 4, blockCountMax: 8 });
  const codec = XQUANT.create(shape, { name: "xquant", bits }, null);
  const attention = makeCodecCase(codec, shape, lengths, { ...options, layer });
  return { codec, hasCodes: layer === 0, attention };
}

async function decode(
  { codec, hasCodes, attention }: ReturnType<typeof xquantCase>,
): Promise<Float32Array> {
  const gpu = await testGpu();
  const { shape, blockCountLargest, rows } = attention;
  const { layout } = codec;
  const options = { shape, splits: shape, layout };
  const kernel = await AttentionDecodeXquantKernel.create(gpu, options);
  const rowCount = rows.length / ROW_WORDS;
  const count = partialsWords(shape, shape, rowCount);
  const partials = gpu.createBuffer("partials", count * 4);
  const bound = kernel.bind({
    q: gpu.createBufferWith("q", attention.q),
    rows: gpu.createBufferWith("rows", rows),
    arena: gpu.createBufferWith("arena", attention.arena),
    directory: gpu.createBufferWith("directory", attention.directory),
    partials,
    codeStart: codeStartBuffer(gpu, layout, hasCodes),
  });
  const splitCount = sealedSplitCount(blockCountLargest, shape);
  submitPass(gpu, (pass) => kernel.encode(pass, bound, { rowCount, splitCount }));
  return await readF32(gpu, partials, count);
}

function reference({ codec, hasCodes, attention }: ReturnType<typeof xquantCase>): Float64Array {
  return attentionDecodeXquantReference(attention.shape, {
    ...attention,
    hasCodes,
    layout: codec.layout,
  });
}

const CASES = [
  { heads: { kvHeadCount: 3, groupSize: 3, headSize: 64 }, bits: "2", layer: 0 },
  { heads: { kvHeadCount: 3, groupSize: 3, headSize: 64 }, bits: "2", layer: 1 },
  { heads: { kvHeadCount: 1, groupSize: 1, headSize: 32 }, bits: "1", layer: 1 },
  { heads: { kvHeadCount: 2, groupSize: 5, headSize: 96 }, bits: "2-1", layer: 1 },
] as const;
/** Of the cases that are about something else than heads. */
const HEADS = { kvHeadCount: 1, groupSize: 3, headSize: 32 };

for (const { heads, ...options } of CASES) {
  const what = JSON.stringify({ ...heads, ...options });
  Deno.test(`AttentionDecodeXquantKernel matches its reference (${what})`, async () => {
    const own = xquantCase(heads, LENGTHS, options);
    assertNear(await decode(own), reference(own), NMSE_MAX);
  });
}

Deno.test("AttentionDecodeXquantKernel reads the tokens that a record has, and no more", async () => {
  const own = xquantCase(HEADS, LENGTHS);
  const { directory } = own.attention;
  // Records of 1, 2, 3 … tokens.
  for (let entry = 0; entry * ENTRY_WORDS < directory.length; entry++) {
    const word = entry * ENTRY_WORDS + 1;
    if (directory[word] !== 0) directory[word] = (directory[word] & ~0xffff) | (1 + entry % 64);
  }
  assertNear(await decode(own), reference(own), NMSE_MAX);
});

Deno.test("AttentionDecodeXquantKernel stays finite if scores are in the thousands", async () => {
  const own = xquantCase(HEADS, [300], { scale: 4000 });
  const partials = await decode(own);
  assert(partials.every(Number.isFinite), "all partial results are finite");
  const expected = reference(own);
  assert(Math.abs(expected[0]) > 1000, "the case has large scores");
  assertNear([partials[0]], [expected[0]], NMSE_MAX);
});

Deno.test("AttentionDecodeXquantKernel gives a row the same bits whatever runs beside it", async () => {
  const own = xquantCase(HEADS, [600, 200, 447]);
  const { attention } = own;
  const width = attention.shape.queryHeadCount * attention.shape.headSize;
  const last: AttentionCase = {
    ...attention,
    q: attention.q.slice(2 * width),
    rows: attention.rows.slice(2 * ROW_WORDS),
  };
  const together = await decode(own);
  const single = await decode({ ...own, attention: last });
  assertSameBits(together.subarray(2 * single.length), single);
});
