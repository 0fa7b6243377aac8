import { rowWords } from "../../../src/core/row.ts";
import { assert } from "@std/assert";
import { attentionDecodePaperReference } from "../../../src/reference/attention_decode/paper.ts";
import { attentionMergeReference } from "../../../src/reference/attention_merge.ts";
import {
  assertSameBits,
  type AttentionCase,
  caseShape,
  makeAttentionCase,
  REACH_LENGTHS,
  rowOf,
  rowsFrom,
  type SealedForm,
  withReach,
} from "../../support/attention_case.ts";
import { runDecodePaper } from "../../support/attention_runs.ts";
import { assertNear } from "../../support/numeric.ts";

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

function reference(attention: AttentionCase): Float64Array {
  const { layout } = attention;
  assert(layout !== null, "the case is packed");
  return attentionDecodePaperReference(attention.shape, { ...attention, layout });
}

for (const { heads, form, why } of CASES) {
  Deno.test(`AttentionDecodePaperKernel matches its reference (${why})`, async () => {
    const blocksPerSplit = heads.groupSize > 8 ? 2 : 4;
    const shape = caseShape(heads, { blocksPerSplit, blockCountMax: 8 });
    const attention = makeAttentionCase(shape, LENGTHS, form);
    assertNear(await runDecodePaper(attention), reference(attention), NMSE_MAX);
  });
}

Deno.test("AttentionDecodePaperKernel caps scores", async () => {
  const shape = {
    ...caseShape(DEFAULT_HEADS, { blocksPerSplit: 4, blockCountMax: 8 }),
    softCap: 2,
  };
  const attention = makeAttentionCase(shape, [192, 600], PAPER, { scale: 3 });
  assertNear(await runDecodePaper(attention), reference(attention), NMSE_MAX);
});

Deno.test("AttentionDecodePaperKernel gives the same attention if the tokens of a block are repacked", async () => {
  const shape = caseShape(DEFAULT_HEADS, { blocksPerSplit: 4, blockCountMax: 8 });
  const merged = [];
  for (const repack of ["none", "median", "greedy"] as const) {
    const attention = makeAttentionCase(shape, [600], { ...PAPER, repack });
    const partials = await runDecodePaper(attention);
    // All blocks and no window: the position is that of the last sealed token.
    const rows = rowWords([rowOf({ slot: 0, position: 7 * 64 - 1, blockCount: 7 }, 0)]);
    merged.push(attentionMergeReference(shape, { rows, partials }));
  }
  assertNear(merged[1], merged[0], NMSE_MAX);
  assertNear(merged[2], merged[0], NMSE_MAX);
});

Deno.test("AttentionDecodePaperKernel stays finite if scores are in the thousands", async () => {
  const shape = caseShape(DEFAULT_HEADS, { blocksPerSplit: 4, blockCountMax: 8 });
  const attention = makeAttentionCase(shape, [300], PAPER, { scale: 4000 });
  const partials = await runDecodePaper(attention);
  assert(partials.every(Number.isFinite), "all partial results are finite");
  const expected = reference(attention);
  assert(Math.abs(expected[0]) > 1000, "the case has large scores");
  assertNear([partials[0]], [expected[0]], NMSE_MAX);
});

Deno.test("AttentionDecodePaperKernel gives a row the same bits whatever runs beside it", async () => {
  const shape = caseShape(DEFAULT_HEADS, { blocksPerSplit: 4, blockCountMax: 8 });
  const attention = makeAttentionCase(shape, [600, 200, 447], PAPER);
  const together = await runDecodePaper(attention);
  const single = await runDecodePaper(rowsFrom(attention, 2));
  assertSameBits(together.subarray(2 * single.length), single);
});

Deno.test("AttentionDecodePaperKernel sees the newest tokens of a list", async () => {
  const shape = caseShape(DEFAULT_HEADS, { blocksPerSplit: 4, blockCountMax: 8 });
  const attention = withReach(makeAttentionCase(shape, REACH_LENGTHS, PAPER));
  const expected = attentionDecodePaperReference(shape, {
    ...attention,
    layout: attention.layout!,
  });
  assertNear(await runDecodePaper(attention), expected, NMSE_MAX);
});
