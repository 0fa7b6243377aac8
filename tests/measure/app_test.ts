import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { measureLoad } from "../../server/measure/load/measure.ts";
import type { Workload } from "../../server/measure/load/plan.ts";
import { startServer } from "../../server/serve.ts";
import { harness } from "../server/harness.ts";
import { eventually } from "../support/waiting.ts";
import { type FakeScript, tokensOf } from "../support/fake_engine.ts";

const MAIN = fileURLToPath(new URL("../../server/main.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** Runs `body` with our own app on a port. */
async function withApp(
  script: FakeScript,
  body: (url: string, engine: ReturnType<typeof harness>["engine"]) => Promise<void>,
): Promise<void> {
  const { app, state, engine } = harness(script, { app: { apiKeys: ["k"] } });
  const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 1 });
  try {
    await body(server.url, engine);
  } finally {
    await server.stop();
  }
}

function spawn(url: string, ...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--config", CONFIG, MAIN, "bench", "serve", "--url", url, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

const steady: FakeScript = ({ maxTokens }) =>
  tokensOf("a".repeat(maxTokens ?? 16)).flatMap((id) => [{ waitMs: 5 }, id]);

const WORKLOAD: Workload = {
  requestCount: 6,
  shape: { type: "concurrency", concurrency: 3 },
  promptTokens: { min: 20, max: 30 },
  outputTokens: { min: 8, max: 8 },
  prefixShare: 0.5,
  seed: 3,
};

Deno.test("measureLoad() measures our server by token ids, with its counts", () =>
  withApp(steady, async (url, engine) => {
    const { signal } = new AbortController();
    const report = await measureLoad({
      server: { url, apiKey: "k", model: null, signal },
      workload: WORKLOAD,
      timeoutMs: 30_000,
    });
    assertEquals([report.model, report.promptKind, report.ignoresEos], ["fake", "token-ids", true]);
    assertEquals((report.modelMeta as { adapter: string }).adapter, "fake adapter");
    const { summary } = report;
    assertEquals([summary.completedCount, summary.failures], [6, []]);
    assertEquals(summary.completionTokenCount, 48);
    const lengths = engine.requests.slice(1).map(({ promptIds }) => promptIds.length);
    assertEquals(summary.promptTokenCount, lengths.reduce((sum, length) => sum + length, 0));
    assertEquals(engine.activeCountMax, 3);
    assert((summary.interToken?.p50 ?? 0) >= 4);
    assertEquals(summary.chunkGap?.count, 6 * 7);
  }));

Deno.test("measureLoad() counts a failing engine's answers by kind", () => {
  const script: FakeScript = (request, index) =>
    index === 0 ? steady(request, index) : index % 2 ? [new Error("x")] : [97, new Error("x")];
  const silence = console.error;
  console.error = () => {}; // the app logs the error that it does not tell
  return withApp(script, async (url) => {
    const { signal } = new AbortController();
    const { summary } = await measureLoad({
      server: { url, apiKey: "k", model: null, signal },
      workload: WORKLOAD,
      timeoutMs: 30_000,
    });
    const counts = summary.failures.map(({ kind, count }) => [kind, count]).sort();
    assertEquals(counts, [["http_500", 3], ["stream_error", 3]]);
  }).finally(() => console.error = silence);
});

Deno.test("packkv bench serve prints a report as JSON, exits 0", () =>
  withApp(steady, async (url) => {
    const args = ["--api-key", "k", "--requests", "4", "--rate", "50", "--output-tokens", "2-4"];
    const { code, stdout } = await spawn(url, ...args, "--json").output();
    const report = JSON.parse(new TextDecoder().decode(stdout));
    assertEquals([code, report.summary.completedCount, report.url], [0, 4, url]);
    assertEquals(report.workload.shape, { type: "rate", requestsPerSecond: 50 });
    assertEquals(report.workload.outputTokens, { min: 2, max: 4 });
    assert(!JSON.stringify(report).includes("api"), "a report holds no key");
  }));

Deno.test("packkv bench serve with a wrong key says so in one line, exits 1", () =>
  withApp(steady, async (url) => {
    const { code, stdout, stderr } = await spawn(url, "--api-key", "wrong").output();
    const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assertEquals([code, out], [1, ""]);
    assert(/^packkv: Cannot measure http.*answered with 401: [^\n]*\n$/.test(errors), errors);
  }));

Deno.test("packkv bench serve prints what there is on Ctrl-C, exits 130, aborts the rest", () => {
  const script: FakeScript = (request, index) => index < 3 ? steady(request, index) : [97, "hang"];
  return withApp(script, async (url, engine) => {
    const process = spawn(url, "--api-key", "k", "--concurrency", "2", "--requests", "9");
    await eventually(() => engine.requests.length > 0);
    await eventually(() => engine.requests.length === 5 && engine.activeCount === 2);
    process.kill("SIGINT");
    const { code, stdout } = await process.output();
    const text = new TextDecoder().decode(stdout);
    assertEquals(code, 130);
    assert(text.includes("requests  2 completed, 2 failed, 5 not sent (interrupted)"), text);
    assert(text.includes("2 x interrupted"), text);
    await eventually(() => engine.activeCount === 0);
  });
});
