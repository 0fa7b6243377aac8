import { assertEquals } from "@std/assert";
import type { AdapterFacts } from "../../../src/gpu/gpu.ts";
import { BLOCK_UNPACK_VARIANTS } from "../../../src/kernels/block_unpack/variants.ts";
import { chooseLanes } from "../../../src/kernels/text/lanes.ts";
import { ADAPTERS } from "../../support/adapters.ts";

function lanesOf(facts: Partial<AdapterFacts>): { count: number; subgroups: boolean } {
  const { count, text } = chooseLanes("test", BLOCK_UNPACK_VARIANTS, {
    ...ADAPTERS["DX12"],
    ...facts,
  });
  return { count, subgroups: text.includes("subgroupShuffle(") };
}

Deno.test("chooseLanes() takes as many lanes as are in one subgroup in every pipeline", () => {
  const counts = [16, 32].map((subgroupLanes) => lanesOf({ subgroupLanes }));
  assertEquals(counts, [{ count: 16, subgroups: true }, { count: 32, subgroups: true }]);
  assertEquals(lanesOf({ subgroupLanes: 8, isFallback: true }), { count: 8, subgroups: true });
});

Deno.test("chooseLanes() exchanges through workgroup memory if subgroups are missing or too small", () => {
  assertEquals(lanesOf({ subgroupLanes: 0 }), { count: 32, subgroups: false });
  assertEquals(lanesOf({ subgroupLanes: 8 }), { count: 32, subgroups: false });
  assertEquals(lanesOf({ subgroupLanes: 0, isFallback: true }), { count: 8, subgroups: false });
});
