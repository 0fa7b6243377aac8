/**
 * How lanes exchange values, over all kernels that do: every attention, merge and unpack kernel
 * without subgroups, and in subgroups of 4, 8 and 16 lanes.
 */

import { rowWords } from "../../src/core/row.ts";
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { AdapterFacts } from "../../src/gpu/gpu.ts";
import { ATTENTION_DECODE_VARIANTS } from "../../src/kernels/attention_decode/variants.ts";
import { partialsWords } from "../../src/kernels/text/attention.ts";
import { chooseLanes } from "../../src/kernels/text/lanes.ts";
import { attentionDecodeBandedReference } from "../../src/reference/attention_decode/banded.ts";
import { attentionDecodePaperReference } from "../../src/reference/attention_decode/paper.ts";
import { attentionDecodeRawReference } from "../../src/reference/attention_decode/raw.ts";
import { attentionMergeReference } from "../../src/reference/attention_merge.ts";
import { attentionPrefillReference } from "../../src/reference/attention_prefill.ts";
import { blockUnpackPaperReference } from "../../src/reference/block_unpack/paper.ts";
import { blockUnpackBandedReference } from "../../src/reference/block_unpack/banded.ts";
import {
  assertSameBits,
  type CaseShape,
  caseShape,
  makeAttentionCase,
  rowOf,
} from "../support/attention_case.ts";
import {
  runDecodeBanded,
  runDecodePaper,
  runDecodeRaw,
  runMerge,
  runPrefill,
  runUnpack,
} from "../support/attention_runs.ts";
import { fittingTables, makeBandedAttentionCase } from "../support/banded_attention_case.ts";
import { testGpu } from "../support/gpu.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";
import { runWithSubgroupsOf, WIDTH_VARIABLE } from "../support/subgroup_process.ts";

/** Codes are exact; f32 sums of up to 256 products, then exp: about 1e-6 per value. */
const NMSE_MAX = 1e-10;

/** Head sizes, and steps that make rows of one turn and of several. */
const HEADS = [
  { headSize: 64, step: 0.05 },
  { headSize: 96, step: 0.4 },
  { headSize: 128, step: 0.8 },
  { headSize: 256, step: 0.2 },
];

/** Tokens of the one sequence: 4 sealed blocks in 2 splits, and a window of 2 tiles. */
const LENGTH = 320;

/** The published size of packs, and on one head size that whose units are two rows. */
const packSizes = ({ headSize }: CaseShape): (4 | 16)[] => headSize === 64 ? [4, 16] : [16];

/**
 * Where raw tiles lie, by turns over the head sizes: lanes that exchange through workgroup memory
 * begin with the window, subgroups with the arena. So each kind of lanes and each head size meets
 * both, as how lanes exchange values does not depend on where these come from.
 */
const SOURCES = ["window", "arena"] as const;

function sourceOf({ subgroupLanes }: AdapterFacts, index: number): typeof SOURCES[number] {
  return SOURCES[(index + (subgroupLanes === 0 ? 0 : 1)) % 2];
}

type Run = (
  shape: CaseShape,
  facts: AdapterFacts,
  how: { step: number; source: typeof SOURCES[number] },
) => Promise<void>;

const RUNS: Record<string, Run> = {
  "attention_decode/raw": async (shape, facts, { source }) => {
    const attention = makeAttentionCase(shape, [LENGTH], "raw");
    const { q, rows, window, arena, directory } = attention;
    const tiles = source === "window" ? { tiles: window } : { tiles: arena, directory };
    const expected = attentionDecodeRawReference(shape, { q, rows, ...tiles });
    assertNear(await runDecodeRaw(attention, source, facts), expected, NMSE_MAX, source);
  },
  "attention_decode/paper": async (shape, facts) => {
    for (const packSize of packSizes(shape)) {
      const form = { packSize, keyRel: 0.1, valueRel: 0.2 };
      const attention = makeAttentionCase(shape, [LENGTH], form);
      const layout = attention.layout!;
      const expected = attentionDecodePaperReference(shape, { ...attention, layout });
      assertNear(await runDecodePaper(attention, facts), expected, NMSE_MAX, `${packSize}`);
    }
  },
  "attention_decode/banded": async (shape, facts, { step }) => {
    const form = { sinkCount: 4, tables: fittingTables(shape, step) };
    const attention = makeBandedAttentionCase(shape, [LENGTH], form);
    const layout = attention.banded;
    const expected = attentionDecodeBandedReference(shape, { ...attention, layout });
    assertNear(await runDecodeBanded(attention, facts), expected, NMSE_MAX);
  },
  "attention_prefill": async (shape, facts, { source }) => {
    const attention = makeAttentionCase(shape, [LENGTH], "raw");
    const { window, arena, directory, blockCountMax } = attention;
    const rows = rowWords(
      [0, 1, 2].map((row) =>
        rowOf({ slot: 0, position: LENGTH - 3 + row, blockCount: 3 }, blockCountMax)
      ),
    );
    const q = seededNormals(3 * shape.queryHeadCount * shape.headSize, 9);
    const tiles = source === "window" ? { tiles: window } : { tiles: arena, directory };
    const inputs = { q, rows, ...tiles };
    const actual = await runPrefill(shape, source, { inputs, splitCount: 4, facts });
    assertNear(actual, attentionPrefillReference(shape, inputs), NMSE_MAX, source);
  },
  "attention_merge": async (shape, facts) => {
    const rows = rowWords(
      [[0, 400, 5], [1, 64, 0]].map(([slot, position, blockCount]) =>
        rowOf({ slot, position, blockCount }, 0)
      ),
    );
    const partials = seededNormals(partialsWords(shape, shape, 2), 1).map(Math.abs);
    const inputs = { rows, partials };
    assertNear(
      await runMerge(shape, inputs, facts),
      attentionMergeReference(shape, inputs),
      NMSE_MAX,
    );
  },
  "block_unpack/paper": async (shape, facts) => {
    for (const packSize of packSizes(shape)) {
      const form = { packSize, keyRel: 0.1, valueRel: 0.2 };
      const attention = makeAttentionCase(shape, [LENGTH], form);
      const inputs = { ...attention, layout: attention.layout!, firstBlock: 0, blockCount: 3 };
      assertSameBits(await runUnpack(attention, 3, facts), blockUnpackPaperReference(inputs));
    }
  },
  "block_unpack/banded": async (shape, facts, { step }) => {
    const form = { sinkCount: 4, tables: fittingTables(shape, step) };
    const attention = makeBandedAttentionCase(shape, [LENGTH], form);
    const inputs = { ...attention, layout: attention.banded, firstBlock: 0, blockCount: 3 };
    assertSameBits(await runUnpack(attention, 3, facts), blockUnpackBandedReference(inputs));
  },
};

const { facts } = await testGpu();
const widthExpected = Deno.env.get(WIDTH_VARIABLE);

/**
 * What an adapter may say of itself, on this one; another size of subgroups only as it is. A CPU
 * without subgroups has the texts that the process of 4 lanes runs, where a workgroup of 8 is two
 * subgroups, and a barrier that is missing shows.
 */
const ADAPTERS: Record<string, AdapterFacts> = {
  [`subgroups of ${facts.subgroupSizeMin}`]: facts,
  ...(widthExpected === undefined
    ? {
      "a GPU without subgroups": { ...facts, subgroupLanes: 0, isFallback: false },
    }
    : {}),
};

for (const [kernel, run] of Object.entries(RUNS)) {
  for (const [adapter, adapterFacts] of Object.entries(ADAPTERS)) {
    for (const [index, { headSize, step }] of HEADS.entries()) {
      Deno.test(`${kernel} matches its reference on ${adapter} with heads of ${headSize}`, async () => {
        if (widthExpected) assertEquals(String(facts.subgroupSizeMin), widthExpected);
        const heads = { kvHeadCount: 1, groupSize: 2, headSize };
        const shape = caseShape(heads, { blocksPerSplit: 2, blockCountMax: 5 });
        await run(shape, adapterFacts, { step, source: sourceOf(adapterFacts, index) });
      });
    }
  }
}

Deno.test("the adapters of this file exchange values among 8, 16 and 32 lanes", () => {
  const counts = Object.values(ADAPTERS).map((each) =>
    chooseLanes("attention_decode", ATTENTION_DECODE_VARIANTS, each).count
  );
  const own = Math.min(32, Math.max(8, facts.subgroupSizeMin));
  assertEquals(counts, widthExpected === undefined ? [own, 32] : [own]);
});

for (const size of widthExpected === undefined ? [4, 16] : []) {
  Deno.test({
    name: `all kernels that exchange values match their references in subgroups of ${size}`,
    ignore: !facts.isFallback,
    async fn() {
      const { report, errors } = await runWithSubgroupsOf(size, import.meta.url);
      const testCount = Object.keys(RUNS).length * HEADS.length + 1;
      assertStringIncludes(report, `${testCount} passed | 0 failed`, report + errors);
    },
  });
}
