import { assert, assertAlmostEquals, assertEquals, assertNotEquals } from "@std/assert";
import {
  type PlannedRequest,
  planRequests,
  type Workload,
} from "../../server/measure/load/plan.ts";
import { makeRandom, randomGap, randomInteger } from "../../server/measure/load/random.ts";

const WORKLOAD: Workload = {
  requestCount: 50,
  shape: { type: "rate", requestsPerSecond: 4 },
  promptTokens: { min: 10, max: 40 },
  outputTokens: { min: 3, max: 5 },
  prefixShare: 0.5,
  seed: 7,
};

const drawn = (plan: PlannedRequest[]) =>
  plan.map(({ arrivalMs, outputTokenCount, drawPrompt }) => ({
    arrivalMs,
    outputTokenCount,
    prompt: drawPrompt(),
  }));

Deno.test("makeRandom() gives the same numbers for a seed, of mean 1/2 and in [0, 1)", () => {
  const random = makeRandom(3);
  const values = Array.from({ length: 20_000 }, random);
  const again = makeRandom(3);
  assertEquals(values.slice(0, 100), Array.from({ length: 100 }, again));
  assert(values.every((value) => value >= 0 && value < 1));
  assertAlmostEquals(values.reduce((sum, value) => sum + value, 0) / values.length, 0.5, 0.01);
  assertNotEquals(makeRandom(4)(), makeRandom(3)());
});

Deno.test("randomInteger() gives every number of its range, and no other", () => {
  const random = makeRandom(1);
  const values = Array.from({ length: 500 }, () => randomInteger(random, { min: 2, max: 5 }));
  assertEquals([...new Set(values)].sort(), [2, 3, 4, 5]);
});

Deno.test("randomGap() is exponential: its deviation equals its mean", () => {
  const random = makeRandom(1);
  const gaps = Array.from({ length: 50_000 }, () => randomGap(random, 250));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
  assertAlmostEquals(mean, 250, 5);
  assertAlmostEquals(Math.sqrt(variance), 250, 10);
});

Deno.test("planRequests() gives the same plan for a seed and another for another", () => {
  const plan = drawn(planRequests(WORKLOAD));
  assertEquals(drawn(planRequests(WORKLOAD)), plan);
  const other = drawn(planRequests({ ...WORKLOAD, seed: 8 }));
  assertNotEquals(other.map(({ arrivalMs }) => arrivalMs), plan.map(({ arrivalMs }) => arrivalMs));
  assertNotEquals(other[0].prompt, plan[0].prompt);
});

Deno.test("planRequests() keeps lengths in range and begins prompts with the shared part", () => {
  const plan = drawn(planRequests(WORKLOAD));
  const longest = plan.reduce((a, b) => b.prompt.length > a.prompt.length ? b : a);
  for (const { prompt, outputTokenCount } of plan) {
    assert(prompt.length >= 10 && prompt.length <= 40, `prompt of ${prompt.length}`);
    assert(outputTokenCount >= 3 && outputTokenCount <= 5, `output of ${outputTokenCount}`);
    const sharedCount = Math.floor(prompt.length / 2);
    assertEquals(prompt.slice(0, sharedCount), longest.prompt.slice(0, sharedCount));
    if (prompt !== longest.prompt) {
      assertNotEquals(prompt[sharedCount], longest.prompt[sharedCount]);
    }
  }
});

Deno.test("planRequests() keeps prompts and lengths if only the arrivals change", () => {
  const shape = { type: "concurrency", concurrency: 2 } as const;
  const side = drawn(planRequests({ ...WORKLOAD, shape }));
  const timed = drawn(planRequests(WORKLOAD));
  assertEquals(side.map(({ prompt }) => prompt), timed.map(({ prompt }) => prompt));
  assert(side.every(({ arrivalMs }) => arrivalMs === 0));
});

Deno.test("planRequests() sends the first at once and the rest at the rate asked for", () => {
  const plan = planRequests({ ...WORKLOAD, requestCount: 10_000 });
  assertEquals(plan[0].arrivalMs, 0);
  assert(plan.every(({ arrivalMs }, i) => i === 0 || arrivalMs >= plan[i - 1].arrivalMs));
  assertAlmostEquals(plan.length * 1000 / plan[plan.length - 1].arrivalMs, 4, 0.15);
});
