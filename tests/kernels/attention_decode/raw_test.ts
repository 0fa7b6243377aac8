import { assert } from "@std/assert";
import { attentionDecodeRawReference } from "../../../src/reference/attention_decode/raw.ts";
import {
  assertSameBits,
  type AttentionCase,
  caseShape,
  makeAttentionCase,
  REACH_LENGTHS,
  rowsFrom,
  withReach,
} from "../../support/attention_case.ts";
import { attentionMergeReference } from "../../../src/reference/attention_merge.ts";
import { runDecodeRaw, runDecodeRing } from "../../support/attention_runs.ts";
import { makeRingCase } from "../../support/ring_case.ts";
import { assertNear } from "../../support/numeric.ts";

/** f32 dot products of up to 256 terms, then exp of scores of a few units: about 1e-6 per value. */
const NMSE_MAX = 1e-10;

const HEADS = [
  { kvHeadCount: 3, groupSize: 3, headSize: 64, why: "the default model" },
  { kvHeadCount: 1, groupSize: 1, headSize: 32, why: "one query head per KV head" },
  { kvHeadCount: 2, groupSize: 4, headSize: 96, why: "lanes that share a token by halves" },
  { kvHeadCount: 1, groupSize: 8, headSize: 128, why: "two vectors of heads" },
  { kvHeadCount: 1, groupSize: 5, headSize: 256, why: "a head that does not exist, large heads" },
  { kvHeadCount: 1, groupSize: 8, headSize: 512, why: "heads of 512" },
];

/** Lengths around the borders of tiles, of sealing and of splits; one slot of a single token. */
const LENGTHS = [1, 63, 64, 65, 128, 191, 192, 193, 447, 600];

function reference(attention: AttentionCase, source: "window" | "arena"): Float64Array {
  const { q, rows } = attention;
  const inputs = source === "window"
    ? { q, rows, tiles: attention.window }
    : { q, rows, tiles: attention.arena, directory: attention.directory };
  return attentionDecodeRawReference(attention.shape, inputs);
}

for (const source of ["window", "arena"] as const) {
  for (const { why, ...heads } of HEADS) {
    Deno.test(`AttentionDecodeRawKernel matches its reference on ${source} tiles (${why})`, async () => {
      const shape = caseShape(heads, { blocksPerSplit: 4, blockCountMax: 10 });
      const attention = makeAttentionCase(shape, LENGTHS, "raw");
      assertNear(await runDecodeRaw(attention, source), reference(attention, source), NMSE_MAX);
    });
  }
}

for (const source of ["window", "arena"] as const) {
  Deno.test(`AttentionDecodeRawKernel caps scores on ${source} tiles`, async () => {
    const shape = { ...caseShape(HEADS[3], { blocksPerSplit: 4, blockCountMax: 10 }), softCap: 2 };
    const attention = makeAttentionCase(shape, [65, 600], "raw", { scale: 3 });
    assertNear(await runDecodeRaw(attention, source), reference(attention, source), NMSE_MAX);
  });
}

/** Of 1, of less than a tile, of whole tiles and of a token more, and of more tiles than 4. */
for (const reach of [1, 32, 128, 129, 500]) {
  Deno.test(`AttentionDecodeRawKernel sees the newest ${reach} tokens of a window`, async () => {
    const ringCase = makeRingCase(HEADS[4], { reach, lengths: LENGTHS });
    const { shape, rows } = ringCase;
    const expected = attentionDecodeRawReference(shape, ringCase);
    // Of a tile that is out of reach partial results are left, which count for nothing.
    const partials = await runDecodeRing(ringCase);
    assertNear(
      attentionMergeReference(shape, { rows, partials }),
      attentionMergeReference(shape, { rows, partials: expected }),
      NMSE_MAX,
    );
  });
}

Deno.test("AttentionDecodeRawKernel does not see what lies behind a row's position", async () => {
  const shape = caseShape(HEADS[0], { blocksPerSplit: 4, blockCountMax: 4 });
  const clean = makeAttentionCase(shape, [70, 130], "raw");
  const dirty = { ...clean, window: clean.window.slice() };
  const halves = new Uint16Array(dirty.window.buffer);
  for (let i = 0; i < halves.length; i++) if (halves[i] === 0) halves[i] = 0x7e00; // NaN
  assertSameBits(await runDecodeRaw(dirty, "window"), await runDecodeRaw(clean, "window"));
});

Deno.test("AttentionDecodeRawKernel stays finite if scores are in the thousands", async () => {
  const shape = caseShape(HEADS[0], { blocksPerSplit: 4, blockCountMax: 4 });
  const attention = makeAttentionCase(shape, [300], "raw", { scale: 4000 });
  const partials = await runDecodeRaw(attention, "arena");
  assert(partials.every(Number.isFinite), "all partial results are finite");
  const expected = reference(attention, "arena");
  const peakOf = (values: ArrayLike<number>) => values[0];
  assert(Math.abs(peakOf(expected)) > 1000, "the case has large scores");
  assertNear([peakOf(partials)], [peakOf(expected)], NMSE_MAX);
});

Deno.test("AttentionDecodeRawKernel gives a row the same bits whatever runs beside it", async () => {
  const shape = caseShape(HEADS[0], { blocksPerSplit: 4, blockCountMax: 10 });
  const attention = makeAttentionCase(shape, [600, 65, 447], "raw");
  for (const source of ["window", "arena"] as const) {
    const together = await runDecodeRaw(attention, source);
    const single = await runDecodeRaw(rowsFrom(attention, 2), source);
    assertSameBits(together.subarray(2 * single.length), single);
  }
});

Deno.test("AttentionDecodeRawKernel sees the newest tokens of sealed blocks", async () => {
  const shape = caseShape(HEADS[0], { blocksPerSplit: 4, blockCountMax: 10 });
  const attention = withReach(makeAttentionCase(shape, REACH_LENGTHS, "raw"));
  assertNear(await runDecodeRaw(attention, "arena"), reference(attention, "arena"), NMSE_MAX);
});
