import { assertEquals } from "@std/assert";
import { headFinish, headRowOrder } from "../../src/model/head_rows.ts";
import type { AttentionPlan, RopePlan } from "../../src/model/plan.ts";

const HALVES: RopePlan = {
  base: 10_000,
  dimension: 4,
  pairing: "halves",
  positionScale: 1,
  yarn: null,
  magnitude: 1,
  factors: null,
};
const HEADS = { queryHeadCount: 2, kvHeadCount: 1, headSize: 6 };

Deno.test("headRowOrder() puts the channels of a pair side by side, head by head", () => {
  const order = headRowOrder(HALVES, 6)!;
  const places = Array.from({ length: 12 }, (_, row) => order(row));
  assertEquals(places, [0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11]);
});

Deno.test("headRowOrder() leaves rows where neighbours turn, or nothing does", () => {
  assertEquals(headRowOrder({ ...HALVES, pairing: "neighbours" }, 6), null);
  assertEquals(headRowOrder(null, 6), null);
});

Deno.test("headFinish() brings biases and weights of norms into the order of the rows", () => {
  const tensors: Record<string, number[]> = {
    bq: Array.from({ length: 12 }, (_, i) => i),
    bk: Array.from({ length: 6 }, (_, i) => 20 + i),
    bv: Array.from({ length: 6 }, (_, i) => 30 + i),
    nq: [1, 2, 3, 4, 5, 6],
    nk: [7, 8, 9, 10, 11, 12],
  };
  const plan = {
    headShape: HEADS,
    heads: ["q", "k", "v"],
    biases: ["bq", "bk", "bv"],
    queryNorm: { tensor: "nq", over: "head" },
    keyNorm: { tensor: "nk", over: "head" },
    rope: HALVES,
    scale: 2 / Math.sqrt(6),
  } as unknown as AttentionPlan;
  const valuesOf = (name: string) => Float32Array.from(tensors[name]);
  const { shifts, gains } = headFinish(plan, valuesOf);
  assertEquals([...shifts.subarray(0, 12)], [0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11]);
  assertEquals([...shifts.subarray(12, 18)], [20, 22, 21, 23, 24, 25]);
  assertEquals([...shifts.subarray(18)], [30, 31, 32, 33, 34, 35]);
  assertEquals([...gains.subarray(0, 6)], [2, 6, 4, 8, 10, 12], "weights times the scale");
  assertEquals([...gains.subarray(6, 12)], [...gains.subarray(0, 6)], "the same for each head");
  assertEquals([...gains.subarray(12)], [7, 9, 8, 10, 11, 12]);
});
