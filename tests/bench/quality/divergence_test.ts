import { assertAlmostEquals, assertEquals } from "@std/assert";
import { Divergence, logSumExp, percentile } from "../../../bench/quality/divergence.ts";

Deno.test("Divergence gives the KL of two known distributions", () => {
  const divergence = new Divergence();
  // Probabilities 1/2, 1/4, 1/4 against 1/4, 1/2, 1/4; logits may be shifted by any constant.
  const exact = Float32Array.of(Math.log(0.5) + 3, Math.log(0.25) + 3, Math.log(0.25) + 3);
  const other = Float32Array.of(Math.log(0.25), Math.log(0.5), Math.log(0.25));
  divergence.add(exact, other, 0);
  const { klMean, sameTop, perplexity, perplexityExact } = divergence.summary();
  assertAlmostEquals(klMean, 0.25 * Math.log(2), 1e-6);
  assertEquals(sameTop, 0);
  assertAlmostEquals(perplexity, 4, 1e-5);
  assertAlmostEquals(perplexityExact, 2, 1e-5);
});

Deno.test("Divergence of equal logits is zero, with the same top token", () => {
  const divergence = new Divergence();
  const logits = Float32Array.of(1, -2, 30, 4);
  divergence.add(logits, logits, 1);
  assertEquals(divergence.summary().klMean, 0);
  assertEquals(divergence.summary().sameTop, 1);
});

Deno.test("logSumExp() does not overflow, and takes the lowest of equal maxima", () => {
  const { logSum, topId } = logSumExp(Float32Array.of(1000, 0, 1000));
  assertAlmostEquals(logSum, 1000 + Math.log(2), 1e-9);
  assertEquals(topId, 0);
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
