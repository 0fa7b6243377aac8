import { assert } from "@std/assert";
import { attentionDecodeBandedReference } from "../../../src/reference/attention_decode/banded.ts";
import {
  assertSameBits,
  caseShape,
  REACH_LENGTHS,
  rowsFrom,
  withReach,
} from "../../support/attention_case.ts";
import { runDecodeBanded } from "../../support/attention_runs.ts";
import {
  type BandedAttentionCase,
  type BandedForm,
  fittingTables,
  makeBandedAttentionCase,
} from "../../support/banded_attention_case.ts";
import { seededTables } from "../../support/banded_samples.ts";
import { assertNear, normalisedError } from "../../support/numeric.ts";

/** Codes are exact; f32 sums of up to 256 products, then exp: about 1e-6 per value. */
const NMSE_MAX = 1e-10;

const DEFAULT_HEADS = { kvHeadCount: 3, groupSize: 3, headSize: 64 };

/** Sealed blocks: 0, 1, a whole split, one more, and a split that is not full. */
const LENGTHS = [191, 192, 384, 448, 600];

function reference(attention: BandedAttentionCase): Float64Array {
  return attentionDecodeBandedReference(attention.shape, {
    ...attention,
    layout: attention.banded,
  });
}

const CASES: { heads: typeof DEFAULT_HEADS; sinkCount: number; step: number; why: string }[] = [
  { heads: DEFAULT_HEADS, sinkCount: 4, step: 0.8, why: "the default model" },
  { heads: DEFAULT_HEADS, sinkCount: 0, step: 0.8, why: "no sinks" },
  { heads: DEFAULT_HEADS, sinkCount: 4, step: 0.4, why: "rows of one load and of two" },
  { heads: DEFAULT_HEADS, sinkCount: 4, step: 0.05, why: "fine steps, more than 16 levels" },
  {
    heads: { kvHeadCount: 1, groupSize: 1, headSize: 32 },
    sinkCount: 16,
    step: 0.5,
    why: "one head, most sinks",
  },
  { heads: { kvHeadCount: 2, groupSize: 4, headSize: 96 }, sinkCount: 1, step: 2, why: "coarse" },
  {
    heads: { kvHeadCount: 1, groupSize: 8, headSize: 128 },
    sinkCount: 4,
    step: 0.5,
    why: "two vectors of heads",
  },
  {
    heads: { kvHeadCount: 1, groupSize: 16, headSize: 256 },
    sinkCount: 3,
    step: 0.8,
    why: "large groups",
  },
  {
    heads: { kvHeadCount: 1, groupSize: 8, headSize: 512 },
    sinkCount: 4,
    step: 0.8,
    why: "heads of 512",
  },
];

for (const { heads, sinkCount, step, why } of CASES) {
  Deno.test(`AttentionDecodeBandedKernel matches its reference (${why})`, async () => {
    const blocksPerSplit = heads.groupSize > 8 ? 2 : 4;
    const shape = caseShape(heads, { blocksPerSplit, blockCountMax: 8 });
    const form: BandedForm = { sinkCount, tables: fittingTables(shape, step) };
    const attention = makeBandedAttentionCase(shape, LENGTHS, form);
    assertNear(await runDecodeBanded(attention), reference(attention), NMSE_MAX);
  });
}

Deno.test("AttentionDecodeBandedKernel matches its reference in bands of every number of levels", async () => {
  const shape = caseShape(DEFAULT_HEADS, { blocksPerSplit: 4, blockCountMax: 8 });
  for (const step of [0.03, 0.3, 1.5]) {
    const form = { sinkCount: 4, tables: seededTables(shape, 11, { step }) };
    const attention = makeBandedAttentionCase(shape, [400], form);
    assertNear(await runDecodeBanded(attention), reference(attention), NMSE_MAX);
  }
});

for (const heads of [DEFAULT_HEADS, { kvHeadCount: 2, groupSize: 2, headSize: 96 }]) {
  Deno.test(`AttentionDecodeBandedKernel reads nothing of dropped channels, but those of sinks, in heads of ${heads.headSize}`, async () => {
    const shape = caseShape(heads, { blocksPerSplit: 4, blockCountMax: 8 });
    const form = { sinkCount: 4, tables: fittingTables(shape, 0.4) };
    const attention = makeBandedAttentionCase(shape, [192, 600], { ...form, hasDropped: true });
    const expected = reference(attention);
    assertNear(await runDecodeBanded(attention), expected, NMSE_MAX);
    const whole = reference(makeBandedAttentionCase(shape, [192, 600], form));
    assert(normalisedError(whole, expected) > 1e-4, "what is dropped was read");
  });
}

Deno.test("AttentionDecodeBandedKernel caps scores, those of sinks too", async () => {
  // More than two parts of 32 channels: scores are capped once their sums are whole.
  const heads = { kvHeadCount: 1, groupSize: 2, headSize: 128 };
  const shape = { ...caseShape(heads, { blocksPerSplit: 4, blockCountMax: 8 }), softCap: 2 };
  const form: BandedForm = { sinkCount: 4, tables: fittingTables(shape, 0.5) };
  const attention = makeBandedAttentionCase(shape, [192, 600], form, { scale: 3 });
  assertNear(await runDecodeBanded(attention), reference(attention), NMSE_MAX);
});

Deno.test("AttentionDecodeBandedKernel stays finite if scores are in the thousands", async () => {
  const shape = caseShape(DEFAULT_HEADS, { blocksPerSplit: 4, blockCountMax: 8 });
  const form = { sinkCount: 4, tables: fittingTables(shape, 0.8) };
  const attention = makeBandedAttentionCase(shape, [300], form, { scale: 4000 });
  const partials = await runDecodeBanded(attention);
  assert(partials.every(Number.isFinite), "all partial results are finite");
  const expected = reference(attention);
  assert(Math.abs(expected[0]) > 1000, "the case has large scores");
  assertNear([partials[0]], [expected[0]], NMSE_MAX);
});

Deno.test("AttentionDecodeBandedKernel gives a row the same bits whatever runs beside it", async () => {
  const shape = caseShape(DEFAULT_HEADS, { blocksPerSplit: 4, blockCountMax: 8 });
  const form = { sinkCount: 4, tables: fittingTables(shape, 0.8) };
  const attention = makeBandedAttentionCase(shape, [600, 200, 447], form);
  const together = await runDecodeBanded(attention);
  const single = await runDecodeBanded(rowsFrom(attention, 2));
  assertSameBits(together.subarray(2 * single.length), single);
});

Deno.test("AttentionDecodeBandedKernel sees the newest tokens of a list, sinks among them", async () => {
  const shape = caseShape(DEFAULT_HEADS, { blocksPerSplit: 4, blockCountMax: 8 });
  const form = { sinkCount: 4, tables: fittingTables(shape, 0.8) };
  const attention = withReach(makeBandedAttentionCase(shape, REACH_LENGTHS, form));
  assertNear(await runDecodeBanded(attention), reference(attention), NMSE_MAX);
});
