/** Blocks of a split shared among the teams of a workgroup, as on GPUs. */

import { assertEquals } from "@std/assert";
import type { AdapterFacts } from "../../../src/gpu/gpu.ts";
import { ATTENTION_DECODE_TEAM_VARIANTS } from "../../../src/kernels/attention_decode/variants.ts";
import { chooseLanes } from "../../../src/kernels/text/lanes.ts";
import { attentionDecodeBandedReference } from "../../../src/reference/attention_decode/banded.ts";
import { ADAPTERS } from "../../support/adapters.ts";
import { caseShape } from "../../support/attention_case.ts";
import { runDecodeBanded } from "../../support/attention_runs.ts";
import { fittingTables, makeBandedAttentionCase } from "../../support/banded_attention_case.ts";
import { testGpu } from "../../support/gpu.ts";
import { assertNear } from "../../support/numeric.ts";

/** Codes are exact; f32 sums of up to 256 products, then exp: about 1e-6 per value. */
const NMSE_MAX = 1e-10;

const { facts } = await testGpu();

/** Teams that are subgroups, where this device has them of 8 lanes, and teams of 32 lanes. */
const TEAMS: Record<string, AdapterFacts> = {
  "by subgroup": { ...facts, isFallback: false },
  "by workgroup": { ...facts, isFallback: false, subgroupLanes: 0 },
};

interface Case {
  heads: { kvHeadCount: number; groupSize: number; headSize: number };
  /** Width of codes: rows of one turn and of several, in the same workgroup. */
  step: number;
  sinkCount?: number;
  softCap?: number;
  blocksPerSplit?: number;
  lengths?: readonly number[];
  ways?: readonly (keyof typeof TEAMS)[];
  why: string;
}

/** Sealed blocks: 0, 1, a whole split, one more, and a split that is not full. */
const LENGTHS = [191, 192, 384, 448, 600];
const BOTH = ["by subgroup", "by workgroup"];
const HEADS = { kvHeadCount: 2, groupSize: 3, headSize: 64 };

const CASES: Case[] = [
  { heads: HEADS, step: 0.4, ways: BOTH, why: "rows of one turn and of two" },
  { heads: HEADS, step: 0.05, why: "fine steps" },
  { heads: HEADS, step: 0.8, sinkCount: 0, why: "no sinks" },
  {
    heads: { kvHeadCount: 1, groupSize: 8, headSize: 128 },
    step: 0.5,
    softCap: 2,
    why: "caps, two vectors of heads",
  },
  { heads: { kvHeadCount: 1, groupSize: 2, headSize: 256 }, step: 0.3, why: "large heads" },
  {
    heads: { kvHeadCount: 1, groupSize: 1, headSize: 32 },
    step: 0.4,
    blocksPerSplit: 11,
    lengths: [320, 960],
    ways: BOTH,
    why: "a split of more blocks than teams",
  },
];

for (const { heads, step, why, ways = ["by subgroup"], ...how } of CASES) {
  const { sinkCount = 4, softCap = null, blocksPerSplit = 4, lengths = LENGTHS } = how;
  for (const way of ways) {
    Deno.test(`AttentionDecodeBandedKernel matches its reference in teams ${way} (${why})`, async () => {
      const shape = { ...caseShape(heads, { blocksPerSplit, blockCountMax: 16 }), softCap };
      const form = { sinkCount, tables: fittingTables(shape, step) };
      const attention = makeBandedAttentionCase(shape, lengths, form);
      const expected = attentionDecodeBandedReference(shape, {
        ...attention,
        layout: attention.banded,
      });
      assertNear(await runDecodeBanded(attention, TEAMS[way]), expected, NMSE_MAX);
    });
  }
}

Deno.test("on every GPU a workgroup of decode attention is several teams, on a CPU one", () => {
  const teams = Object.entries(ADAPTERS).map(([adapter, each]) => {
    const { count, teamCountMax, teamsText } = chooseLanes(
      "attention_decode/banded",
      ATTENTION_DECODE_TEAM_VARIANTS,
      each,
    );
    const way = teamCountMax === 1 || !teamsText(2).includes("subgroupShuffle(") ? "" : "subgroup";
    return [adapter, [teamCountMax, count, way]];
  });
  assertEquals(Object.fromEntries(teams), {
    "NVIDIA on Vulkan": [8, 32, "subgroup"],
    "AMD RDNA on Vulkan": [8, 32, "subgroup"],
    "AMD GCN on Vulkan": [8, 32, "subgroup"],
    "Intel on Vulkan": [8, 8, "subgroup"],
    "Apple on Metal": [8, 32, "subgroup"],
    "DX12": [8, 32, ""],
    "software Vulkan": [1, 8, ""],
    "software Vulkan of 4 lanes": [1, 8, ""],
    "the least that WebGPU allows": [8, 32, ""],
  });
});
