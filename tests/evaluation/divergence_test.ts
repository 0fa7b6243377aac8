import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { Divergence, percentile } from "../../src/evaluation/divergence.ts";
import { exactRow } from "../../src/evaluation/exact_row.ts";

/** Steps of log-probabilities move those of small vocabularies by up to this. */
const STEP_ERROR = 3e-4;

Deno.test("Divergence gives the KL of two known distributions", () => {
  const divergence = new Divergence();
  // Probabilities 1/2, 1/4, 1/4 against 1/4, 1/2, 1/4; logits may be shifted by any constant.
  const exact = Float32Array.of(Math.log(0.5) + 3, Math.log(0.25) + 3, Math.log(0.25) + 3);
  const other = Float32Array.of(Math.log(0.25), Math.log(0.5), Math.log(0.25));
  divergence.add(exactRow(exact, 0), other, 0);
  const { klMean, sameTop, perplexity, perplexityExact } = divergence.summary();
  assertAlmostEquals(klMean, 0.25 * Math.log(2), STEP_ERROR);
  assertEquals(sameTop, 0);
  assertAlmostEquals(perplexity, 4, 1e-5);
  assertAlmostEquals(perplexityExact, 2, 1e-5);
});

Deno.test("Divergence of equal logits is zero but for rounding, with the same top token", () => {
  const divergence = new Divergence();
  const logits = Float32Array.of(1, -2, 30, 4);
  divergence.add(exactRow(logits, 1), logits, 1);
  const { klMean, sameTop } = divergence.summary();
  assert(klMean >= 0 && klMean < 1e-7, `it is ${klMean}`);
  assertEquals(sameTop, 1);
});

Deno.test("Divergence sums up the first positions alone if asked", () => {
  const divergence = new Divergence();
  const exact = exactRow(Float32Array.of(0, 0), 0);
  for (const difference of [0, 1, 8]) divergence.add(exact, Float32Array.of(0, difference), 0);
  const [one, two] = [1, 2].map((count) => divergence.summary(count));
  assertEquals([one.positionCount, two.positionCount], [1, 2]);
  assert(one.klMean < 1e-7);
  const second = Math.log((1 + Math.E) / 2) - 0.5;
  assertAlmostEquals(two.klMean, second / 2, 1e-9);
  assertAlmostEquals(two.klPercentiles.p999, second, 1e-9);
  assertEquals(two.sameTop, 0.5);
  assertAlmostEquals(two.perplexity, Math.sqrt(2 * (1 + Math.E)), 1e-6);
});

Deno.test("percentile() takes the smallest value that the share does not exceed", () => {
  const values = Array.from({ length: 1000 }, (_, i) => i + 1);
  assertEquals([0.5, 0.99, 0.999, 1].map((share) => percentile(values, share)), [
    500,
    990,
    999,
    1000,
  ]);
  assertEquals(percentile([7], 0.5), 7);
});
