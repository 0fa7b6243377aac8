/** What is found out about a device at opening, where its adapter says another thing too. */

import { assertEquals, assertNotEquals } from "@std/assert";
import type { AdapterFacts } from "../../src/gpu/gpu.ts";
import { openGpu } from "../../src/gpu/open_gpu.ts";
import { ATTENTION_MERGE_VARIANTS } from "../../src/kernels/attention_merge/variants.ts";
import { partialsWords } from "../../src/kernels/text/attention.ts";
import { chooseVariant } from "../../src/kernels/variant.ts";
import { attentionMergeReference } from "../../src/reference/attention_merge.ts";
import { prefixRoot } from "../../src/runtime/prefix_root.ts";
import { rowWords } from "../../src/core/row.ts";
import { caseShape, rowOf } from "../support/attention_case.ts";
import { runMerge } from "../support/attention_runs.ts";
import { testGpu } from "../support/gpu.ts";
import { type Lie, lyingWebgpu } from "../support/lying_webgpu.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";
import { runWithSubgroupsOf, WIDTH_VARIABLE } from "../support/subgroup_process.ts";

const ownSize = Number(Deno.env.get(WIDTH_VARIABLE) ?? 8);
const { facts } = await testGpu();
const isOwnProcess = Deno.env.has(WIDTH_VARIABLE);

async function factsOf(lie: Lie): Promise<AdapterFacts> {
  const gpu = await openGpu({ webgpu: lyingWebgpu(lie) });
  const { facts } = gpu;
  assertEquals(gpu.allocatedBytes, 0, "the probe keeps no buffers");
  gpu.close();
  return facts;
}

function says(subgroupMinSize: number, subgroupMaxSize: number): Lie {
  return { says: { subgroupMinSize, subgroupMaxSize } };
}

/** What a lane reads by shuffles is its own value. */
function withoutShuffles(code: string): string {
  const deaf = "fn deaf(value: u32, source: u32) -> u32 { return value; }";
  return code.includes("subgroupShuffle(")
    ? `${code.replaceAll("subgroupShuffle(", "deaf(")}\n${deaf}`
    : code;
}

/** Lanes of the largest workgroup that is tried. */
const LANE_COUNT_MAX = 32;

const MEASURED = ownSize >= 8 ? Math.min(ownSize, LANE_COUNT_MAX) : 0;

/** Lanes that count, by what an adapter says of itself on this device. */
const SAYINGS: [name: string, lie: Lie, laneCount: number][] = [
  ["the truth", says(ownSize, ownSize), MEASURED],
  ["nothing", says(0, 0), MEASURED],
  ["4 to 64, as Metal's", says(4, 64), MEASURED],
  ["32 lanes always", says(32, 32), MEASURED],
  ["8 to 32, as Intel's: any pipeline may have 8", says(8, 32), Math.min(8, MEASURED)],
  ["32 to 64, as AMD's", says(32, 64), MEASURED],
];

for (const [name, lie, laneCount] of SAYINGS) {
  Deno.test(`openGpu() finds ${laneCount} lanes on subgroups of ${ownSize} if the adapter says ${name}`, async () => {
    const found = await factsOf(lie);
    assertEquals([found.subgroupLanes, found.hasTeams], [laneCount, laneCount > 0]);
    // A kernel that follows is right.
    const heads = { kvHeadCount: 1, groupSize: 2, headSize: 64 };
    const shape = caseShape(heads, { blocksPerSplit: 2, blockCountMax: 5 });
    const rows = rowWords([rowOf({ slot: 0, position: 400, blockCount: 5 }, 0)]);
    const partials = seededNormals(partialsWords(shape, shape, 1), 1).map(Math.abs);
    const expected = attentionMergeReference(shape, { rows, partials });
    assertNear(await runMerge(shape, { rows, partials }, found), expected, 1e-10);
  });
}

if (!isOwnProcess) {
  Deno.test("openGpu() finds no subgroups where shuffles read the wrong lane, or the feature is refused", async () => {
    const lies: Lie[] = [{ compiles: withoutShuffles }, { refuses: ["subgroups"] }];
    for (const lie of lies) {
      const found = await factsOf(lie);
      assertEquals([found.subgroupLanes, found.hasTeams], [0, false]);
      const how = { facts: found, shape: null };
      const { name } = chooseVariant("attention_merge", ATTENTION_MERGE_VARIANTS, how);
      assertEquals(name, "workgroup of 8");
    }
  });

  Deno.test("openGpu() finds no teams where larger workgroups are in subgroups in another order", async () => {
    const crossed = await factsOf({
      compiles: (code) =>
        code.includes("@workgroup_size(64)")
          ? code.replace("let value = group.x", "let value = (index ^ 8u) + group.x")
          : code,
    });
    assertEquals([crossed.subgroupLanes, crossed.hasTeams], [8, false]);
  });

  Deno.test("openGpu() finds how the device rounds, f16, products of bytes and time-stamps", async () => {
    const { roundsToEven, halfRounding, hasF16, hasDot4, hasTimestamps } = facts;
    const found = { roundsToEven, halfRounding, hasF16, hasDot4, hasTimestamps };
    assertEquals(found, {
      roundsToEven: true,
      halfRounding: "to even",
      hasF16: true,
      hasDot4: true,
      hasTimestamps: true,
    });
    const up = await factsOf({ compiles: (code) => code.replace("round(vec4", "ceil(vec4") });
    assertEquals(up.roundsToEven, false);
    const cut = await factsOf({
      compiles: (code) => code.replace("vec2<f32>(x[4], x[5])", "vec2<f32>(x[4], 1.001)"),
    });
    assertEquals(cut.halfRounding, "toward zero");
    const none = await factsOf({ refuses: ["shader-f16", "timestamp-query"] });
    assertEquals([none.hasF16, none.hasTimestamps], [false, false]);
    const signless = await factsOf({
      compiles: (code) => code.replace("dot4I8Packed", "dot4U8Packed"),
    });
    assertEquals(signless.hasDot4, false);
  });

  Deno.test("blocks of a device are named by what its probe found, and by whose WebGPU it is", () => {
    const root = prefixRoot(facts, "model", "codec");
    assertEquals(prefixRoot({ ...facts }, "model", "codec"), root);
    const others: Partial<AdapterFacts>[] = [
      { subgroupLanes: 0 },
      { hasTeams: false },
      { isFallback: false },
      { roundsToEven: false },
      { halfRounding: "toward zero" },
      { hasF16: false },
      { hasDot4: false },
      { webgpu: "dawn" },
    ];
    for (const other of others) {
      assertNotEquals(prefixRoot({ ...facts, ...other }, "model", "codec"), root);
    }
  });
}

for (const size of isOwnProcess ? [] : [4, 16]) {
  Deno.test({
    name: `openGpu() finds the lanes of subgroups of ${size}, whatever the adapter says`,
    ignore: !facts.isFallback,
    async fn() {
      const { success, report } = await runWithSubgroupsOf(size, import.meta.url);
      assertEquals([success, report.includes(`${SAYINGS.length} passed`)], [true, true], report);
    },
  });
}
