import { assertEquals } from "@std/assert";
import type { Completed, Failed, FailureKind } from "../../server/measure/load/outcome.ts";
import { latencyOf, summarise } from "../../server/measure/load/summary.ts";

const completed = (fields: Partial<Completed>): Completed => ({
  type: "completed",
  startMs: 0,
  textTimesMs: [],
  endMs: 0,
  promptTokenCount: 0,
  cachedTokenCount: 0,
  completionTokenCount: 0,
  ...fields,
});

const failed = (kind: FailureKind, message: string): Failed => {
  return { type: "failed", startMs: 0, endMs: 10, kind, message };
};

Deno.test("latencyOf() gives exact percentiles of unsorted values", () => {
  const values = Array.from({ length: 1000 }, (_, i) => (i * 7919) % 1000 + 1);
  assertEquals(latencyOf(values), {
    count: 1000,
    mean: 500.5,
    p50: 500,
    p95: 950,
    p99: 990,
    max: 1000,
  });
  assertEquals(latencyOf([4]), { count: 1, mean: 4, p50: 4, p95: 4, p99: 4, max: 4 });
  assertEquals(latencyOf([30, 10, 20])?.p50, 20);
  assertEquals(latencyOf([]), null);
});

Deno.test("summarise() counts tokens by usage and times by chunks", () => {
  const summary = summarise([
    completed({
      startMs: 1000,
      textTimesMs: [1100, 1150, 1300],
      endMs: 1400,
      promptTokenCount: 10,
      cachedTokenCount: 6,
      completionTokenCount: 6, // three chunks that bring six tokens
    }),
    completed({
      startMs: 1500,
      textTimesMs: [1700],
      endMs: 3000,
      promptTokenCount: 30,
      completionTokenCount: 1,
    }),
  ]);
  const one = (value: number) => latencyOf([value]);
  assertEquals(summary, {
    completedCount: 2,
    failedCount: 0,
    failures: [],
    durationSeconds: 2,
    promptTokenCount: 40,
    cachedTokenCount: 6,
    completionTokenCount: 7,
    requestsPerSecond: 1,
    promptTokensPerSecond: 20,
    completionTokensPerSecond: 3.5,
    timeToFirstToken: latencyOf([100, 200]),
    interToken: one(40),
    chunkGap: latencyOf([50, 150]),
    endToEnd: latencyOf([400, 1500]),
  });
});

Deno.test("summarise() counts failures by kind with the first message, and no token of them", () => {
  const summary = summarise([
    failed("stream_cut", "a"),
    failed("http_429", "b"),
    failed("http_429", "c"),
    completed({ endMs: 500, promptTokenCount: 8 }),
  ]);
  assertEquals(summary.failures, [
    { kind: "http_429", count: 2, message: "b" },
    { kind: "stream_cut", count: 1, message: "a" },
  ]);
  const { completedCount, failedCount, requestsPerSecond, promptTokenCount } = summary;
  assertEquals([completedCount, failedCount, requestsPerSecond, promptTokenCount], [1, 3, 2, 8]);
  assertEquals(summary.timeToFirstToken, null);
});

Deno.test("summarise() of nothing has no latency and no rate", () => {
  const { durationSeconds, requestsPerSecond, endToEnd } = summarise([]);
  assertEquals([durationSeconds, requestsPerSecond, endToEnd], [0, 0, null]);
});
