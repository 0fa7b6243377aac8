import { assert, assertEquals, assertMatch } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { tokensOf } from "../support/fake_engine.ts";
import { eventually } from "../support/waiting.ts";
import { harness } from "./harness.ts";

const CHAT = "/v1/chat/completions";
const messages = [{ role: "user", content: "hi" }];

/** Value of the one sample whose name and labels match. */
async function sample(app: ReturnType<typeof harness>["app"], pattern: string): Promise<number> {
  const response = await app.request("/metrics");
  assertMatch(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
  const lines = (await response.text()).split("\n").filter((line) =>
    line.startsWith(pattern.split("{")[0]) &&
    pattern.split("{").slice(1).every((label) => line.includes(label))
  );
  assertEquals(lines.length, 1, `${pattern} matches ${JSON.stringify(lines)}`);
  return Number(lines[0].split(" ").at(-1));
}

Deno.test("GET /metrics has every name that dashboards know, labelled with the model", async () => {
  const { app } = harness(() => []);
  const text = await (await app.request("/metrics")).text();
  const names = [
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
    "vllm:prefix_cache_queries_total",
    "vllm:prefix_cache_hits_total",
    "vllm:cache_config_info",
    "vllm:gpu_cache_usage_perc",
    "vllm:gpu_prefix_cache_queries_total",
    "vllm:gpu_prefix_cache_hits_total",
    "vllm:prompt_tokens_total",
    "vllm:generation_tokens_total",
    "vllm:time_to_first_token_seconds_bucket",
    "vllm:inter_token_latency_seconds_bucket",
    "vllm:e2e_request_latency_seconds_bucket",
    "vllm:request_queue_time_seconds_bucket",
    "vllm:request_success_total",
    "vllm:num_preemptions_total",
    "packkv:kv_bytes",
    "packkv:device_bytes",
    "packkv:sealing_seconds_total",
  ];
  for (const name of names) {
    assert(
      text.split("\n").some((line) =>
        line.startsWith(`${name}{`) && line.includes(`model_name="fake"`)
      ),
      name,
    );
  }
});

Deno.test("GET /metrics tells the engine's cache by kind and profile", async () => {
  const { app } = harness(() => []);
  const expected = { raw: 6000, payload: 900, packed: 1000, allocated: 1024 };
  for (const [kind, bytes] of Object.entries(expected)) {
    assertEquals(await sample(app, `packkv:kv_bytes{kind="${kind}"{profile="paper"`), bytes);
  }
  assertEquals(await sample(app, "vllm:kv_cache_usage_perc"), 0.25);
  assertEquals(await sample(app, "vllm:gpu_cache_usage_perc"), 0.25);
  const config = `vllm:cache_config_info{block_size="64"{num_gpu_blocks="7"`;
  assertEquals(await sample(app, config), 1);
});

Deno.test("GET /metrics gives every counter a name that ends in _total", async () => {
  const { app } = harness(() => []);
  const text = await (await app.request("/metrics")).text();
  const counters = [...text.matchAll(/^# TYPE (\S+) counter$/gm)].map(([, name]) => name);
  assert(counters.length > 10);
  assertEquals(counters.filter((name) => !name.endsWith("_total")), []);
});

Deno.test("GET /metrics counts tokens, ends and latencies of requests", async () => {
  const { app, post } = harness(() => tokensOf("abcd"));
  for (const max_tokens of [4, 9]) {
    await (await post(CHAT, { messages, max_tokens })).json();
    // Scraping in between must not count anything twice.
    await sample(app, "vllm:generation_tokens_total");
  }
  assertEquals(await sample(app, "vllm:generation_tokens_total"), 8);
  assertEquals(await sample(app, "vllm:prompt_tokens_total"), 38);
  for (const name of ["prefix_cache", "gpu_prefix_cache"]) {
    assertEquals(await sample(app, `vllm:${name}_queries_total`), 100);
    assertEquals(await sample(app, `vllm:${name}_hits_total`), 64);
  }
  assertEquals(await sample(app, "packkv:shared_blocks"), 2);
  const totals = { sealing_seconds: 0.5, blocks_sealed: 11, blocks_saved: 5, blocks_loaded: 3 };
  const fetched = { value_blocks_fetched: 13, value_blocks_fetched_prompt: 17 };
  for (const [name, total] of Object.entries({ ...totals, ...fetched })) {
    assertEquals(await sample(app, `packkv:${name}_total`), total);
  }
  for (const [place, bytes] of Object.entries({ host: 600, device: 200 })) {
    assertEquals(await sample(app, `packkv:kv_value_bytes{place="${place}"`), bytes);
  }
  assertEquals(await sample(app, "vllm:num_preemptions_total"), 7);
  assertEquals(await sample(app, "packkv:kv_retained_bytes"), 3000);
  assertEquals(await sample(app, `packkv:kv_tier_bytes{tier="host"`), 0);
  assertEquals(await sample(app, `vllm:request_success_total{finished_reason="stop"`), 1);
  assertEquals(await sample(app, `vllm:request_success_total{finished_reason="length"`), 1);
  assertEquals(await sample(app, "vllm:time_to_first_token_seconds_count"), 2);
  assertEquals(await sample(app, "vllm:inter_token_latency_seconds_count"), 6);
  assertEquals(await sample(app, "vllm:e2e_request_latency_seconds_count"), 2);
  assertEquals(await sample(app, "vllm:request_queue_time_seconds_sum"), 0.002);
});

Deno.test("GET /metrics knows the wait of an answer that a stop string ended", async () => {
  const { app, post } = harness(() => tokensOf("abcd"));
  await (await post(CHAT, { messages, stop: "c" })).json();
  assertEquals(await sample(app, `vllm:request_success_total{finished_reason="stop"`), 1);
  const waited = await sample(app, "vllm:request_queue_time_seconds_sum");
  assert(waited > 0 && waited <= 0.001, `${waited}`);
});

Deno.test("GET /metrics counts aborted and failed requests apart", async () => {
  const { app, post } = harness((_, callIndex) =>
    callIndex === 0 ? [new EngineError("queue_full", "Cannot queue")] : [97, "hang"]
  );
  await (await post(CHAT, { messages })).json();
  assertEquals(await sample(app, `packkv:request_errors_total{code="queue_full"`), 1);
  const streamed = await post(CHAT, { messages, stream: true });
  await streamed.body!.cancel();
  const aborts = () => sample(app, `vllm:request_success_total{finished_reason="abort"`);
  await eventually(async () => await aborts() > 0);
  assertEquals(await aborts(), 1);
});

Deno.test("GET /metrics keeps the last numbers if the engine failed", async () => {
  const { app, post, engine, state } = harness(() => ["hang"]);
  const answer = post(CHAT, { messages });
  await eventually(() => engine.activeCount === 1);
  assertEquals(await sample(app, "vllm:num_requests_running"), 1);
  engine.stats = () => Promise.reject(new Error("gone"));
  assertEquals(await sample(app, "vllm:num_requests_running"), 1);
  state.setFailed("device_lost", "gone");
  assertEquals(await sample(app, "vllm:num_requests_running"), 1);
  state.stop();
  await (await answer).json();
});
