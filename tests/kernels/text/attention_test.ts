import { assertEquals, assertThrows } from "@std/assert";
import { headGroup } from "../../../src/kernels/text/attention.ts";

Deno.test("headGroup() spreads a group over vectors of at most 4 heads", () => {
  const vectors = [1, 3, 4, 5, 8, 16].map((groupSize) => {
    const group = headGroup({ kvHeadCount: 2, queryHeadCount: 2 * groupSize, headSize: 64 });
    return [group.vectorCount, group.vectorSize];
  });
  assertEquals(vectors, [[1, 2], [1, 3], [1, 4], [2, 3], [2, 4], [4, 4]]);
});

Deno.test("headGroup() refuses groups above 16 and head sizes that are no multiple of 32 up to 512", () => {
  const shape = { kvHeadCount: 1, queryHeadCount: 1, headSize: 64 };
  assertThrows(() => headGroup({ ...shape, queryHeadCount: 17 }), RangeError, "17 query heads");
  assertThrows(() => headGroup({ ...shape, headSize: 48 }), RangeError, "head size is 48");
  assertThrows(() => headGroup({ ...shape, headSize: 544 }), RangeError, "head size is 544");
  assertThrows(() => headGroup({ ...shape, kvHeadCount: 2 }), RangeError, "Cannot divide");
});
