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

Deno.test("chooseLanes() takes one subgroup, at most 32 lanes of it, if its size is known", () => {
  const sizes = [8, 16, 32, 64].map((subgroupSizeMin) =>
    lanesOf({ hasSubgroups: true, subgroupSizeMin }).count
  );
  assertEquals(sizes, [8, 16, 32, 32]);
});

Deno.test("chooseLanes() exchanges through workgroup memory if subgroups are missing or too small", () => {
  assertEquals(lanesOf({ hasSubgroups: false, isFallback: false }), {
    count: 32,
    subgroups: false,
  });
  assertEquals(lanesOf({ hasSubgroups: true, subgroupSizeMin: 4, isFallback: true }), {
    count: 8,
    subgroups: false,
  });
});
