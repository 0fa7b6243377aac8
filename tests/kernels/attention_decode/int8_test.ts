import { assert } from "@std/assert";
import { INT8 } from "../../../src/codec/int8/codec.ts";
import { attentionDecodeInt8Reference } from "../../../src/reference/attention_decode/int8.ts";
import {
  assertSameBits,
  caseShape,
  REACH_LENGTHS,
  rowsFrom,
  shortenRecords,
  withReach,
} from "../../support/attention_case.ts";
import { runDecodeInt8 } from "../../support/attention_runs.ts";
import { makeCodecCase } from "../../support/codec_case.ts";
import { assertNear } from "../../support/numeric.ts";

/** Codes are exact; f32 sums of up to 256 products, then exp: about 1e-6 per value. */
const NMSE_MAX = 1e-10;

/** Sealed blocks: 0, 1, a whole split, one more, and a split that is not full. */
const LENGTHS = [191, 192, 384, 448, 600];

function int8Case(
  heads: { kvHeadCount: number; groupSize: number; headSize: number },
  lengths: readonly number[],
  { softCap = null, ...options }: { scale?: number; softCap?: number | null } = {},
) {
  const shape = { ...caseShape(heads, { blocksPerSplit: 4, blockCountMax: 8 }), softCap };
  const codec = INT8.create(shape, { name: "int8" }, null);
  return { codec, attention: makeCodecCase(codec, shape, lengths, options) };
}

async function decode({ attention }: ReturnType<typeof int8Case>): Promise<Float32Array> {
  return await runDecodeInt8(attention);
}

function reference({ codec, attention }: ReturnType<typeof int8Case>): Float64Array {
  return attentionDecodeInt8Reference(attention.shape, { ...attention, layout: codec.layout });
}

const CASES = [
  { kvHeadCount: 3, groupSize: 3, headSize: 64 },
  { kvHeadCount: 1, groupSize: 1, headSize: 32 },
  { kvHeadCount: 2, groupSize: 4, headSize: 96 },
  { kvHeadCount: 1, groupSize: 8, headSize: 128 },
  { kvHeadCount: 1, groupSize: 16, headSize: 256 },
];

for (const heads of CASES) {
  Deno.test(`AttentionDecodeInt8Kernel matches its reference (${JSON.stringify(heads)})`, async () => {
    const own = int8Case(heads, LENGTHS);
    assertNear(await decode(own), reference(own), NMSE_MAX);
  });
}

Deno.test("AttentionDecodeInt8Kernel reads the tokens that a record has, and no more", async () => {
  const own = int8Case(CASES[0], LENGTHS);
  shortenRecords(own.attention);
  assertNear(await decode(own), reference(own), NMSE_MAX);
});

Deno.test("AttentionDecodeInt8Kernel caps scores", async () => {
  const own = int8Case(CASES[0], [192, 600], { scale: 3, softCap: 2 });
  assertNear(await decode(own), reference(own), NMSE_MAX);
});

Deno.test("AttentionDecodeInt8Kernel stays finite if scores are in the thousands", async () => {
  const own = int8Case(CASES[0], [300], { scale: 4000 });
  const partials = await decode(own);
  assert(partials.every(Number.isFinite), "all partial results are finite");
  const expected = reference(own);
  assert(Math.abs(expected[0]) > 1000, "the case has large scores");
  assertNear([partials[0]], [expected[0]], NMSE_MAX);
});

Deno.test("AttentionDecodeInt8Kernel gives a row the same bits whatever runs beside it", async () => {
  const own = int8Case(CASES[0], [600, 200, 447]);
  const together = await decode(own);
  const single = await decode({ ...own, attention: rowsFrom(own.attention, 2) });
  assertSameBits(together.subarray(2 * single.length), single);
});

Deno.test("AttentionDecodeInt8Kernel sees the newest tokens of a list", async () => {
  const { codec, attention } = int8Case(CASES[0], REACH_LENGTHS);
  const near = { codec, attention: withReach(attention) };
  assertNear(await decode(near), reference(near), NMSE_MAX);
});
