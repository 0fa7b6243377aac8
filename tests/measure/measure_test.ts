import { assert, assertEquals, assertGreaterOrEqual, assertLess } from "@std/assert";
import { StopReason } from "../../server/measure/load/client.ts";
import { type LoadReport, measureLoad } from "../../server/measure/load/measure.ts";
import { planRequests, type Workload } from "../../server/measure/load/plan.ts";
import { runLoad } from "../../server/measure/load/run_load.ts";
import { formatLoadReport } from "../../server/measure/load/table.ts";
import {
  endFrames,
  type FakeAnswer,
  type FakeServer,
  steadyAnswer,
  textFrame,
  withFakeServer,
} from "./fake_server.ts";
import { countTurns } from "../support/waiting.ts";

const WORKLOAD: Workload = {
  requestCount: 6,
  shape: { type: "concurrency", concurrency: 2 },
  promptTokens: { min: 5, max: 5 },
  outputTokens: { min: 4, max: 4 },
  prefixShare: 0,
  seed: 1,
};

interface Settings {
  timeoutMs?: number;
  signal?: AbortSignal;
  onProgress?: (message: string, fraction?: number) => void;
}

function measure(
  { url }: FakeServer,
  workload: Partial<Workload> = {},
  { timeoutMs = 30_000, signal = new AbortController().signal, ...rest }: Settings = {},
): Promise<LoadReport> {
  const server = { url, apiKey: null, model: null, signal };
  return measureLoad({ server, workload: { ...WORKLOAD, ...workload }, timeoutMs, ...rest });
}

Deno.test("measureLoad() measures known delays", () =>
  withFakeServer(
    (request) => steadyAnswer(request, { firstMs: 200, gapMs: 20 }),
    async (server) => {
      const { summary, stoppedBy, unsentCount, promptKind } = await measure(server);
      assertEquals([stoppedBy, unsentCount, promptKind], [null, 0, "token-ids"]);
      assertEquals([summary.completedCount, summary.failedCount], [6, 0]);
      assertEquals([summary.promptTokenCount, summary.completionTokenCount], [30, 24]);
      const { timeToFirstToken, interToken, chunkGap, endToEnd } = summary;
      // Timers may be a millisecond early, and are late on a busy machine.
      assert(timeToFirstToken && interToken && chunkGap && endToEnd);
      assertGreaterOrEqual(timeToFirstToken.p50, 198);
      assertGreaterOrEqual(interToken.p50, 18);
      assertLess(interToken.p50, timeToFirstToken.p50);
      assertGreaterOrEqual(endToEnd.p50, 257);
      assertEquals([interToken.count, endToEnd.count], [6, 6]);
      assertEquals(server.inFlightMax(), 2);
      assertGreaterOrEqual(summary.durationSeconds, 0.77); // three turns of 260 ms
    },
  ));

Deno.test("measureLoad() sends the planned prompts, and the probe beside them", () =>
  withFakeServer((request) => steadyAnswer(request), async (server) => {
    await measure(server, { prefixShare: 0.6 });
    const prompts = server.seen.slice(1).map(({ body }) => body.prompt as number[]);
    assertEquals(prompts.length, 6);
    assertEquals(new Set(prompts.map((ids) => ids.slice(0, 3).join())).size, 1);
    assertEquals(new Set(prompts.map((ids) => ids.join())).size, 6);
    assert(server.seen.slice(1).every(({ body }) => body.max_tokens === 4));
  }));

Deno.test("measureLoad() at a rate does not wait for answers", () =>
  withFakeServer((request, index) => {
    return steadyAnswer(request, { firstMs: index === 0 ? 0 : 1000 });
  }, async (server) => {
    const { summary } = await measure(server, {
      shape: { type: "rate", requestsPerSecond: 1000 },
    });
    assertEquals(summary.completedCount, 6);
    assertEquals(server.inFlightMax(), 6);
  }));

const error = { error: { message: "went wrong" } };
const failures: [kind: string, answer: () => FakeAnswer, message: RegExp][] = [
  ["http_429", () => Response.json(error, { status: 429 }), /^went wrong$/],
  ["http_503", () => new Response("<html>", { status: 503 }), /^<html>$/],
  ["stream_error", () => [textFrame("a"), `data: ${JSON.stringify(error)}\n\n`], /^went wrong$/],
  ["stream_cut", () => [textFrame("a"), "break"], /./],
  ["stream_cut", () => [textFrame("a")], /without \[DONE\]/],
  ["bad_chunk", () => ["data: {half\n\n"], /^not a JSON object: \{half/],
  ["no_usage", () => [textFrame("a"), "data: [DONE]\n\n"], /has no usage/],
];

for (const [kind, answer, message] of failures) {
  Deno.test(`measureLoad() counts ${kind} that says ${message} and goes on`, () =>
    withFakeServer((request, index) => {
      return index === 2 || index === 4 ? answer() : steadyAnswer(request);
    }, async (server) => {
      const { summary, stoppedBy } = await measure(server);
      assertEquals([summary.completedCount, summary.failedCount, stoppedBy], [4, 2, null]);
      const [failure] = summary.failures;
      assertEquals([summary.failures.length, failure.kind, failure.count], [1, kind, 2]);
      assert(message.test(failure.message), failure.message);
      assertEquals(summary.completionTokenCount, 16);
    }));
}

Deno.test("runLoad() counts a server that is gone as connection failures", async () => {
  const settings = { port: 0, hostname: "127.0.0.1", onListen: () => {} };
  const gone = Deno.serve(settings, () => new Response());
  await gone.shutdown();
  const baseUrl = `http://127.0.0.1:${gone.addr.port}`;
  const outcomes = await runLoad({
    target: { baseUrl, apiKey: null, model: "m", ignoresEos: true },
    writer: { kind: "token-ids", vocabSize: null },
    plan: planRequests(WORKLOAD),
    shape: WORKLOAD.shape,
    signal: new AbortController().signal,
  });
  const kinds = outcomes.map((outcome) => outcome.type === "failed" ? outcome.kind : "none");
  assertEquals(kinds, Array(6).fill("connection"));
});

const SHAPES: Workload["shape"][] = [
  { type: "concurrency", concurrency: 2 },
  { type: "rate", requestsPerSecond: 0.01 },
];

for (const shape of SHAPES) {
  Deno.test(`measureLoad() by ${shape.type} ends at its time limit and counts what is left`, () =>
    withFakeServer((request, index) => {
      return steadyAnswer(request, { firstMs: index === 0 ? 0 : 2000 });
    }, async (server) => {
      const turns = countTurns(10);
      const report = await measure(server, { shape }, { timeoutMs: 500 });
      turns.stop();
      assertLess(turns.count, 190);
      const inFlightCount = shape.type === "rate" ? 1 : 2;
      assertEquals([report.stoppedBy, report.unsentCount], ["timeout", 6 - inFlightCount]);
      const { failures, completedCount } = report.summary;
      assertEquals(failures.map(({ kind, count }) => [kind, count]), [["timeout", inFlightCount]]);
      assertEquals(completedCount, 0);
    }));
}

Deno.test("measureLoad() keeps what was completed when it is interrupted", () => {
  const controller = new AbortController();
  return withFakeServer((request, index) => {
    return steadyAnswer(request, { firstMs: index > 2 ? 2000 : 0 });
  }, async (server) => {
    const report = await measure(server, {}, {
      signal: controller.signal,
      onProgress: (message) => {
        if (message === "2 of 6 requests") controller.abort(new StopReason("interrupted"));
      },
    });
    assertEquals([report.stoppedBy, report.summary.completedCount], ["interrupted", 2]);
    assertEquals(report.unsentCount + report.summary.failedCount, 4);
    const text = formatLoadReport(report);
    assert(
      /^requests {2}2 completed, \d failed, \d not sent \(interrupted\) in /m.test(text),
      text,
    );
  });
});

Deno.test("formatLoadReport() shows counts, failures, rates and a line for each latency", async () => {
  await withFakeServer((request, index) => {
    return index === 1 ? [endFrames(5, 0)] : index === 2 ? [] : steadyAnswer(request);
  }, async (server) => {
    const report = await measure(server);
    const { summary } = report;
    summary.timeToFirstToken = { count: 5, mean: 1.25, p50: 1, p95: 20, p99: 300, max: 4000 };
    summary.durationSeconds = 2;
    summary.completionTokensPerSecond = 8;
    summary.interToken = null;
    const lines = formatLoadReport(report).split("\n");
    assertEquals(lines[0], `first at ${server.url}, token-id prompts`);
    assertEquals(lines[1], "6 requests, 2 at a time, seed 1");
    assertEquals(lines[3], "requests  5 completed, 1 failed in 2.00 s");
    assertEquals(lines[4], "  1 x stream_cut: the stream ended without [DONE]");
    assertEquals(lines[5], "tokens    25 prompt (0 cached), 16 output");
    assert(/ prompt t\/s, 8\.0 output t\/s, /.test(lines[6]), lines[6]);
    const row = (label: string) => lines.find((line) => line.startsWith(label))?.split(/\s{2,}/);
    assertEquals(row("ms"), ["ms", "mean", "p50", "p95", "p99", "max"]);
    assertEquals(
      row("time to first token"),
      ["time to first token", "1.3", "1.0", "20.0", "300.0", "4000.0"],
    );
    assertEquals(row("inter-token"), ["inter-token", "-", "-", "-", "-", "-"]);
  });
});
