/** Blocks of a split shared among the teams of a workgroup, in every codec but banded. */

import { INT8 } from "../../../src/codec/int8/codec.ts";
import { XQUANT } from "../../../src/codec/xquant/codec.ts";
import type { AdapterFacts } from "../../../src/gpu/gpu.ts";
import { attentionDecodeInt8Reference } from "../../../src/reference/attention_decode/int8.ts";
import { attentionDecodePaperReference } from "../../../src/reference/attention_decode/paper.ts";
import { attentionDecodeRawReference } from "../../../src/reference/attention_decode/raw.ts";
import { attentionDecodeXquantReference } from "../../../src/reference/attention_decode/xquant.ts";
import {
  assertSameBits,
  type AttentionCase,
  type CaseShape,
  caseShape,
  makeAttentionCase,
  REACH_LENGTHS,
  rowsFrom,
  shortenRecords,
  withReach,
} from "../../support/attention_case.ts";
import {
  runDecodeInt8,
  runDecodePaper,
  runDecodeRaw,
  runDecodeXquant,
} from "../../support/attention_runs.ts";
import { makeCodecCase } from "../../support/codec_case.ts";
import { testGpu } from "../../support/gpu.ts";
import { assertNear } from "../../support/numeric.ts";

/** Codes are exact; f32 sums of up to 256 products, then exp: about 1e-6 per value. */
const NMSE_MAX = 1e-10;

const { facts } = await testGpu();

/** Teams that are subgroups, of 8 lanes where this device has them so, and teams of 32 lanes. */
const BY_SUBGROUP: AdapterFacts = { ...facts, isFallback: false };
const BY_WORKGROUP: AdapterFacts = { ...BY_SUBGROUP, subgroupLanes: 0 };

/** Rows of a cache, what a kernel makes of them, and what it should. */
interface Decode {
  attention: AttentionCase;
  run: (attention: AttentionCase, facts: AdapterFacts) => Promise<Float32Array>;
  reference: (attention: AttentionCase) => Float64Array;
}

type MakeDecode = (shape: CaseShape, lengths: readonly number[]) => Decode;

const PAPER = { keyRel: 0.1, valueRel: 0.2 };

const paper = (packSize: 4 | 16): MakeDecode => (shape, lengths) => ({
  attention: makeAttentionCase(shape, lengths, { ...PAPER, packSize }),
  run: runDecodePaper,
  reference: (own) => attentionDecodePaperReference(shape, { ...own, layout: own.layout! }),
});

const DECODES: Record<string, MakeDecode> = {
  raw: (shape, lengths) => ({
    attention: makeAttentionCase(shape, lengths, "raw"),
    run: (own, ownFacts) => runDecodeRaw(own, "arena", ownFacts),
    reference: ({ q, rows, arena: tiles, directory }) =>
      attentionDecodeRawReference(shape, { q, rows, tiles, directory }),
  }),
  "paper, packs of 4": paper(4),
  "paper, packs of 16": paper(16),
  int8: (shape, lengths) => {
    const codec = INT8.create(shape, { name: "int8" }, null);
    const { layout } = codec;
    return {
      attention: makeCodecCase(codec, shape, lengths),
      run: runDecodeInt8,
      reference: (own) => attentionDecodeInt8Reference(shape, { ...own, layout }),
    };
  },
  xquant: (shape, lengths) => {
    const codec = XQUANT.create(shape, { name: "xquant", bits: "2" }, null);
    const form = { layout: codec.layout, hasCodes: false };
    return {
      attention: makeCodecCase(codec, shape, lengths, { layer: 1 }),
      run: (own, ownFacts) => runDecodeXquant(own, form, ownFacts),
      reference: (own) => attentionDecodeXquantReference(shape, { ...own, ...form }),
    };
  },
};

/** Sealed blocks: a split that is not full, whole ones, and a row of two splits. */
const LENGTHS = [192, 384, 448];

const HEADS = { kvHeadCount: 2, groupSize: 3, headSize: 64 };

function made(
  make: MakeDecode,
  heads = HEADS,
  { lengths = LENGTHS, blocksPerSplit = 4 }: {
    lengths?: readonly number[];
    blocksPerSplit?: number;
  } = {},
): Decode {
  return make(caseShape(heads, { blocksPerSplit, blockCountMax: 16 }), lengths);
}

for (const [codec, make] of Object.entries(DECODES)) {
  Deno.test(`attention_decode in teams by subgroup is near its reference, and a row's bits are its own (${codec})`, async () => {
    const { attention, run, reference } = made(make);
    const together = await run(attention, BY_SUBGROUP);
    assertNear(together, reference(attention), NMSE_MAX);
    const single = await run(rowsFrom(attention, 2), BY_SUBGROUP);
    assertSameBits(together.subarray(2 * single.length), single);
  });
}

const { "paper, packs of 4": _, ...ONE_OF_EACH } = DECODES;

for (const [codec, make] of Object.entries(ONE_OF_EACH)) {
  for (const headSize of [96, 128, 256]) {
    Deno.test(`attention_decode in teams by subgroup is near its reference (${codec}, heads of ${headSize})`, async () => {
      const heads = { kvHeadCount: 1, groupSize: headSize === 96 ? 5 : 1, headSize };
      const { attention, run, reference } = made(make, heads, { lengths: [320] });
      assertNear(await run(attention, BY_SUBGROUP), reference(attention), NMSE_MAX);
    });
  }

  Deno.test(`attention_decode in teams joins the rounds of a split of more blocks (${codec})`, async () => {
    const heads = { kvHeadCount: 1, groupSize: 1, headSize: 32 };
    const { attention, run, reference } = made(make, heads, { lengths: [960], blocksPerSplit: 11 });
    assertNear(await run(attention, BY_SUBGROUP), reference(attention), NMSE_MAX);
  });

  Deno.test(`attention_decode in teams reads the tokens that a record has, and no more (${codec})`, async () => {
    const { attention, run, reference } = made(make);
    shortenRecords(attention);
    assertNear(await run(attention, BY_SUBGROUP), reference(attention), NMSE_MAX);
  });
}

for (const codec of ["raw", "paper, packs of 16", "int8"]) {
  Deno.test(`attention_decode in teams sees the newest tokens of a list (${codec})`, async () => {
    const { attention, run, reference } = made(DECODES[codec], HEADS, { lengths: REACH_LENGTHS });
    const near = withReach(attention);
    assertNear(await run(near, BY_SUBGROUP), reference(near), NMSE_MAX);
  });
}

/** Of raw and paper: lanes_test.ts. */
for (const codec of ["int8", "xquant"]) {
  Deno.test(`attention_decode in teams by workgroup is near its reference (${codec})`, async () => {
    const { attention, run, reference } = made(DECODES[codec]);
    assertNear(await run(attention, BY_WORKGROUP), reference(attention), NMSE_MAX);
  });
}
