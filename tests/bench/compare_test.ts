/** What the comparison of two checkouts makes of its rounds. */

import { assertEquals } from "@std/assert";
import { compared } from "../../bench/checkouts/compare.ts";

const cost = (name: string, wallMs: number, processorMs: number) => ({ name, wallMs, processorMs });

Deno.test("compared() takes medians of what rounds say, and calls slower what takes 3% more processor time", () => {
  const rounds = [
    {
      before: [cost("a", 10, 100), cost("b", 1, 10)],
      after: [cost("a", 40, 106), cost("b", 2, 9)],
    },
    {
      before: [cost("a", 30, 102), cost("b", 3, 10)],
      after: [cost("a", 20, 107), cost("b", 1, 11)],
    },
    {
      before: [cost("a", 20, 900), cost("b", 2, 10)],
      after: [cost("a", 30, 106), cost("b", 3, 10)],
    },
  ];
  const [a, b] = compared(rounds);
  assertEquals(a, {
    name: "a",
    before: { wallMs: 20, processorMs: 102 },
    after: { wallMs: 30, processorMs: 106 },
    ratio: { wallMs: 1.5, processorMs: 107 / 102 },
    ratioRange: { wallMs: [20 / 30, 4], processorMs: [106 / 900, 1.06] },
    isSlower: true,
  });
  assertEquals([b.name, b.ratio.processorMs, b.isSlower], ["b", 1, false]);
});
