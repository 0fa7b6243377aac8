import { assertEquals, assertThrows } from "@std/assert";
import { chooseLanes, headGroup, type LaneFacts } from "../../../src/kernels/text/attention.ts";

function lanesOf(facts: Partial<LaneFacts>): { count: number; subgroups: boolean } {
  const { count, text } = chooseLanes({
    hasSubgroups: false,
    subgroupSizeMin: 0,
    isFallback: false,
    checksUniformity: false,
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

Deno.test("headGroup() spreads a group over vectors of at most 4 heads", () => {
  const vectors = [1, 3, 4, 5, 8, 16].map((groupSize) => {
    const group = headGroup({ kvHeadCount: 2, queryHeadCount: 2 * groupSize, headSize: 64 });
    return [group.vectorCount, group.vectorSize];
  });
  assertEquals(vectors, [[1, 2], [1, 3], [1, 4], [2, 3], [2, 4], [4, 4]]);
});

Deno.test("headGroup() refuses groups above 16 and head sizes that are no multiple of 32 up to 256", () => {
  const shape = { kvHeadCount: 1, queryHeadCount: 1, headSize: 64 };
  assertThrows(() => headGroup({ ...shape, queryHeadCount: 17 }), RangeError, "17 query heads");
  assertThrows(() => headGroup({ ...shape, headSize: 48 }), RangeError, "head size is 48");
  assertThrows(() => headGroup({ ...shape, headSize: 288 }), RangeError, "head size is 288");
  assertThrows(() => headGroup({ ...shape, kvHeadCount: 2 }), RangeError, "Cannot divide");
});
