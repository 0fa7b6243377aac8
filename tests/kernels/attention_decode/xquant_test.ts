import { assert } from "@std/assert";
import { XQUANT } from "../../../src/codec/xquant/codec.ts";
import { attentionDecodeXquantReference } from "../../../src/reference/attention_decode/xquant.ts";
import {
  assertSameBits,
  caseShape,
  rowsFrom,
  shortenRecords,
} from "../../support/attention_case.ts";
import { runDecodeXquant } from "../../support/attention_runs.ts";
import { makeCodecCase } from "../../support/codec_case.ts";
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
  return await runDecodeXquant(attention, { layout: codec.layout, hasCodes });
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
  shortenRecords(own.attention);
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
  const together = await decode(own);
  const single = await decode({ ...own, attention: rowsFrom(own.attention, 2) });
  assertSameBits(together.subarray(2 * single.length), single);
});
